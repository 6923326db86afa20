"""Namespaces that the machine began with."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Tracee, wait_until
from kernel_events import ATTACH, values

NAMES = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts")


def looked_at() -> Path:
    """What is told of: process 1, or a thread of the kernel where we may not look at that."""
    try:
        os.readlink("/proc/1/ns/mnt")
    except PermissionError:
        return Path("/proc/2/ns")
    return Path("/proc/1/ns")


def namespace(name: str) -> int | None:
    """The number of a namespace; None where this kernel has no such namespaces."""
    path = looked_at() / name
    return int(os.readlink(path).partition("[")[2].rstrip("]")) if path.is_symlink() else None


def test_init_namespaces_are_told_once_and_first(tracee: Tracee) -> None:
    events = "init_namespaces,getppid"
    with tracee.run("--events", events, "--attach", ATTACH, "--output", "json") as run:

        def traced() -> bool:
            os.getppid()
            return any(event["eventName"] == "getppid" for event in run.events_so_far())

        wait_until(traced, "a call to be seen")
        seen = run.stop()
        way = "namespaces" if looked_at().parts[2] == "1" else "kernel_namespaces"
        assert f"init_namespaces is taken by scan:{way}" in run.stderr
    assert [event["eventName"] for event in seen].index("init_namespaces") == 0
    (told,) = [event for event in seen if event["eventName"] == "init_namespaces"]
    assert values(told) == {name: namespace(name) for name in NAMES}


def test_init_namespaces_are_told_whatever_the_scope_and_go_by_filters(tracee: Tracee) -> None:
    mount = namespace("mnt")
    for wanted, count in ((f"data.mnt={mount}", 1), (f"data.mnt!={mount}", 0)):
        flags = ("--filter", wanted, "--scope", "comm=nobody-at-all", "--attach", ATTACH, "--output", "json")
        with tracee.run("--events", "init_namespaces", *flags) as run:
            assert [event["eventName"] for event in run.stop()] == ["init_namespaces"] * count
