"""tracee doctor: what can be seen here, and what cannot."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from conftest import COMMAND, Tracee
from kernel_events import ATTACH

from tracee.events import kinds


def test_every_event_is_accounted_for(tracee: Tracee) -> None:
    report = json.loads(tracee.command("doctor", "--output", "json", "--attach", ATTACH).stdout)
    assert report["trouble"] == ""
    assert report["machine"]["kernel"] == os.uname().release
    events = {event["name"]: event for event in report["events"]}
    # what signatures find is had wherever the events are that they look at
    assert events.keys() == {n for n, kind in kinds().items() if kind.category not in ("control", "signatures")}
    for event in events.values():
        # what cannot be had says why; what is had by a lesser way says why no better one is used
        assert event["way"] or event["why"], event
        known = kinds()[event["name"]].attach
        assert event["way"] is None or event["way"] in known
        assert event["way"] in (known[0], None) or event["why"], event
        # a hook may be missing, but no program of ours may be one that the kernel does not take
        assert "failed to load" not in event["why"] and "load failed" not in event["why"], event


def function_of(hook: str) -> str:
    """The kernel's function that a hook is on."""
    kind, _, target = hook.partition(":")
    return f"security_{target}" if kind == "lsm" else target


def test_no_function_is_hooked_in_two_manners(tracee: Tracee) -> None:
    """Each program on it would tell all events of the function, so that they came twice."""
    report = json.loads(tracee.command("doctor", "--output", "json").stdout)
    manners = {"fentry": "trampoline", "fexit": "trampoline", "lsm": "trampoline of LSM"}
    manners |= {"kprobe": "probe", "kretprobe": "probe"}
    by_function: dict[str, set[str]] = {}
    for hook in (hook for event in report["events"] for hook in (event["way"] or "").split(" + ")):
        if hook.partition(":")[0] in manners:
            by_function.setdefault(function_of(hook), set()).add(manners[hook.partition(":")[0]])
    assert {function: used for function, used in by_function.items() if len(used) > 1} == {}


def test_the_table_names_every_event_but_folds_system_calls(tracee: Tracee) -> None:
    lines = tracee.command("doctor").stdout.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("EVENT"))
    told = {line.split(" ")[0] for line in lines[begin:]}
    assert {
        name for name, kind in kinds().items() if kind.category not in ("syscalls", "control", "signatures")
    } <= told
    assert "openat" not in told
    assert any("system calls" in line for line in lines[begin:])


def test_lesser_ways_when_told_so(tracee: Tracee) -> None:
    report = json.loads(tracee.command("doctor", "--output", "json", "--attach", "fallback").stdout)
    better = ("fentry", "fexit", "lsm", "kprobe", "kretprobe")
    hooks = [hook for event in report["events"] for hook in (event["way"] or "").split(" + ")]
    assert not [hook for hook in hooks if hook.partition(":")[0] in better]


def test_without_privilege_it_says_so_and_what_to_do() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can drop its privileges")
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups", *COMMAND]
    done = subprocess.run([*command, "doctor"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR failed to initialize tracee: permission denied; run tracee as root")
    assert done.stdout.startswith("tracee")
