"""What modules do to the kernel is found. In guests only: tests/kernels/run.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import JsonEvent, Run, Tracee, wait_until
from kernel_events import values
from objects import address, available, loaded

pytestmark = pytest.mark.skipif(available() is None, reason="no test modules here: see tests/kernels/run.py")

CALLS = ("syscall_hooking", "hooked_syscall_detector", "hooked_syscalls")
LISTS = ("proc_fops_hooking", "hooked_seq_ops_detector")


def of(run: Run, *names: str) -> list[JsonEvent]:
    return [event for event in run.events_so_far() if event["eventName"] in names]


def test_a_module_that_is_loaded_is_found(tracee: Tracee) -> None:
    with tracee.run("--events", "kernel_module_loading", "--output", "json") as run:
        Path("/proc/modules").read_text(encoding="utf-8")
        with loaded("hello") as file:
            pass
        wait_until(lambda: bool(of(run, "kernel_module_loading")), "the module")
        with loaded("probes"):
            wait_until(lambda: len(of(run, "kernel_module_loading")) == 2, "the second module")
        findings = run.stop()
    assert [values(finding)["module"] for finding in findings] == ["hello", "probes"]
    assert values(findings[0])["pathname"] == str(file.resolve())


def test_what_replaces_system_calls_is_found(tracee: Tracee) -> None:
    """Modules that only come, or put probes on functions, are not."""
    with tracee.run("--events", ",".join(CALLS), "--output", "json") as run:
        for name in ("hello", "probes"):
            with loaded(name):
                pass
        with loaded("hooksys", table=address("sys_call_table"), number=111):
            wait_until(lambda: {e["eventName"] for e in of(run, *CALLS)} == set(CALLS), "the hook")
        findings = {finding["eventName"]: finding for finding in run.stop()}
    assert values(findings["syscall_hooking"]) == {"syscall": "getpgrp"}
    told = values(findings["hooked_syscall_detector"])
    assert (told["syscall"], told["function"], told["owner"]) == ("getpgrp", "hooked_call", "hooksys")
    (hook,) = values(findings["hooked_syscalls"])["hooked_syscalls"]
    assert hook == {"name": "getpgrp", "symbol": "hooked_call", "owner": "hooksys"}


def test_what_replaces_lists_of_proc_is_found(tracee: Tracee) -> None:
    tables = {"seq_ops": address("tcp4_seq_ops"), "file_ops": address("proc_root_operations")}
    with tracee.run("--events", ",".join(LISTS), "--output", "json") as run:
        for name in ("hello", "probes"):
            with loaded(name):
                pass
        with loaded("hookseq", **tables):
            wait_until(lambda: {e["eventName"] for e in of(run, *LISTS)} == set(LISTS), "the hooks")
        findings = {finding["eventName"]: finding for finding in run.stop()}
    assert "hooked_iterate" in str(values(findings["proc_fops_hooking"])["hooked_fops_pointers"])
    assert "hooked_show" in str(values(findings["hooked_seq_ops_detector"])["hooked_seq_ops"])
