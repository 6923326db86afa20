"""Detections on saved events: those of the kernel were recorded in a guest (tests/kernels), kernel 6.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tracee.detect.known import known
from tracee.detect.saved import findings
from tracee.signatures.common.mounts import type_of_mount

RECORDED = Path(__file__).parent / "events" / "kernel_6_1.jsonl"


def found(name: str, events: Path = RECORDED) -> list[dict[str, Any]]:
    """Arguments of what a detection finds."""
    told = findings({name: known()[name]}, str(events))
    return [{arg["name"]: arg["value"] for arg in finding["args"]} for finding in told]


def test_modules() -> None:
    assert [finding["module"] for finding in found("kernel_module_loading")] == ["hello", "hooksys", "hookseq"]


def test_hooked_system_calls() -> None:
    assert found("syscall_hooking") == [{"syscall": "getpgrp"}]
    (hook,) = found("hooked_syscall_detector")
    assert (hook["syscall"], hook["function"], hook["owner"]) == ("getpgrp", "hooked_call", "hooksys")
    (every,) = found("hooked_syscalls")
    assert every["hooked_syscalls"] == [{"name": "getpgrp", "symbol": "hooked_call", "owner": "hooksys"}]
    assert {"getpgrp", "openat"} <= set(every["check_syscalls"])


def test_hooked_tables() -> None:
    (seq,), (files,) = found("hooked_seq_ops_detector"), found("proc_fops_hooking")
    hook = {"name": "tcp4_seq_ops_show", "symbol": "hooked_show", "owner": "hookseq"}
    assert seq["hooked_seq_ops"] == [hook]
    assert [hook["owner"] for hook in files["hooked_fops_pointers"]] == ["hookseq"]


def renamed(path: str) -> dict[str, Any]:
    """A rename by a process that has ended, so that its mounts cannot be looked at."""
    event: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8").splitlines()[0])
    texts = [("old_path", "/tmp/x"), ("new_path", path)]
    args = [{"name": name, "type": "const char*", "value": text} for name, text in texts]
    pids = {"hostProcessId": 1 << 30, "hostParentProcessId": 1 << 30}
    return {**event, **pids, "eventName": "security_inode_rename", "eventId": "768", "args": args}


@pytest.mark.parametrize(
    ("path", "count"),
    [("/sys/fs/cgroup/rdma/release_agent", 1), ("/tmp/release_agent", 0), ("/home/cgroup-notes/release_agent", 0)],
)
def test_something_renamed_to_release_agent(tmp_path: Path, path: str, count: int) -> None:
    events = tmp_path / "events"
    events.write_text(json.dumps(renamed(path)))
    assert len(found("cgroup_release_agent", events)) == count


MOUNTS = r"""
22 1 254:0 / / rw - ext4 /dev/vda rw
23 22 0:20 / /proc rw - proc proc rw
24 22 0:21 / /a\040b rw shared:1 - cgroup cgroup rw,cpuset
25 22 0:22 / /tmp rw - tmpfs tmpfs rw
26 25 0:21 / /tmp rw - cgroup cgroup rw,cpuset
27 24 0:9 /x /a\040b/deep rw - tmpfs tmpfs rw
not a mount
"""


@pytest.mark.parametrize(
    ("path", "type_name"),
    [
        ("/etc/passwd", "ext4"),
        ("/proc", "proc"),
        ("/procession", "ext4"),
        ("/a b/release_agent", "cgroup"),
        ("/a b/deep/release_agent", "tmpfs"),
        ("/tmp/release_agent", "cgroup"),
    ],
)
def test_the_type_of_the_deepest_and_last_mount(path: str, type_name: str) -> None:
    assert type_of_mount(MOUNTS, path) == type_name


def test_where_nothing_is_mounted() -> None:
    assert type_of_mount("", "/x") is None
