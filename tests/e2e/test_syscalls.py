"""Every system call is seen once, by its name, with its arguments and its return value.

The program in ``deeds`` makes the calls and prints what it did; nothing here knows which calls those are.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from conftest import Tracee

Line = dict[str, Any]
ENVIRONMENT = {"DEEDS": "good and bad", "EMPTY": ""}
PATIENCE = 60.0
INITIAL_PID_NAMESPACE = 0xEFFFFFFC


class Done(NamedTuple):
    """A program that ran: what it says that it did, its exec by us included."""

    pid: int
    lines: list[Line]


class Traced(NamedTuple):
    program: Path
    idle: Done
    busy: Done
    events: list[Line]
    stderr: str


def run_program(program: Path, *arguments: str) -> Done:
    argv = [str(program), *arguments]
    process = subprocess.Popen(argv, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, output[-1000:]
    lines = [json.loads(line) for line in output.decode().splitlines()]
    envp = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    args = {"pathname": argv[0], "argv": argv, "envp": envp}
    return Done(process.pid, [{"event": "execve", "pid": process.pid, "ret": 0, "args": args}, *lines])


@pytest.fixture
def traced(tracee: Tracee, compile_c: Callable[[str], Path], tmp_path: Path) -> Traced:
    program = compile_c("deeds")
    scratch = tmp_path.resolve() / "scratch"
    scratch.mkdir()
    with tracee.run("--events", "syscalls", "--scope", "comm=deeds", "--output", "json") as run:
        idle = run_program(program)
        busy = run_program(program, str(scratch))
        events = run.stop()
    assert not list(scratch.iterdir())
    pids = {line["pid"] for line in idle.lines + busy.lines}
    events = [event for event in events if is_ours(event, pids, program)]
    return Traced(program, idle, busy, sorted(events, key=lambda event: event["timestamp"]), run.stderr)


def is_ours(event: Line, pids: set[int], program: Path) -> bool:
    """Not of another `deeds` on this machine, which is neither one of our processes nor our program's file."""
    return event["processId"] in pids or event["executable"] == str(program) or event["eventName"] == "events_lost"


def as_line(event: Line, like: Line) -> Line:
    """The event as a line would tell it, as far as the line `like` tells anything."""
    args = {arg["name"]: arg for arg in event["args"]}
    line: Line = {"event": event["eventName"], "pid": event["processId"], "ret": event["returnValue"]}
    if event.get("compat"):
        line["compat"] = True
    for members, key in (("args", "value"), ("paths", "path")):
        if like.get(members):
            line[members] = {name: args.get(name, {}).get(key, "(missing)") for name in like[members]}
    if "args" in line:
        cut = sorted(name for name in line["args"] if args.get(name, {}).get("truncated"))
        line |= {"truncated": cut} if cut else {}
    return line


def by_name(lines: list[Line], key: str) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line[key]].append(line)
    return groups


def difference(expected: Line, got: Line) -> str:
    """What of `expected` is otherwise in `got`, in one line."""
    parts = []
    for key in sorted(expected.keys() | got.keys()):
        a, b = expected.get(key), got.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            parts += [f"{name}: {shorten(a[name])}, seen as {shorten(b[name])}" for name in a if a[name] != b[name]]
        elif a != b and (a or b):
            parts.append(f"{key}: {shorten(a)}, seen as {shorten(b)}")
    return "; ".join(parts)


def shorten(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else f"{text[:100]} ... {text[-60:]} ({len(text)} characters)"


def compare(name: str, expected: list[Line], events: list[Line], exact: bool) -> list[str]:
    """Problems with the events of one name. Not `exact`: there may be others in between."""
    problems = []
    rest = list(events)
    for line in expected:
        told = {key: value for key, value in line.items() if value != {}}
        place = next((i for i, event in enumerate(rest) if as_line(event, told) == told), None)
        if place is None:
            likely = [as_line(event, told) for event in rest if event["processId"] == told["pid"]]
            nearest = min((difference(told, other) for other in likely), key=len, default="not seen")
            problems.append(f"{name}: {nearest} -- in {shorten(told)}")
            if exact and rest:
                del rest[0]
        elif exact:
            del rest[place]
        else:
            del rest[: place + 1]
    if exact and len(expected) != len(events):
        left = [as_line(event, {"args": {arg["name"]: None for arg in event["args"]}}) for event in rest]
        problems.append(f"{name}: made {len(expected)} times, seen {len(events)} times; left: {shorten(left)}")
    return problems


def test_every_call_is_seen(traced: Traced) -> None:
    done = by_name(traced.idle.lines + traced.busy.lines, "event")
    seen = by_name(traced.events, "eventName")
    # the loader and the C library call too; what they call is what the idle program does not tell
    told = {line["event"] for line in traced.idle.lines}
    others = {e["eventName"] for e in traced.events if e["processId"] == traced.idle.pid} - told | {"write"}
    problems = [f"{name}: never made, seen {len(seen[name])} times" for name in seen.keys() - done.keys() - others]
    for name, lines in done.items():
        problems += compare(name, lines, seen[name], name not in others)
    assert not problems, "\n" + "\n".join(problems)

    native = {line["event"] for line in traced.busy.lines if not line.get("compat")}
    compat = {line["event"] for line in traced.busy.lines if line.get("compat")}
    assert len(native) >= 150
    assert len(compat) >= 10


def test_whose_call_it_is(traced: Traced) -> None:
    pids = {line["pid"] for line in traced.idle.lines + traced.busy.lines}
    on_host = os.stat("/proc/self/ns/pid").st_ino == INITIAL_PID_NAMESPACE
    for event in traced.events:
        assert event["processName"] == "deeds"
        assert event["executable"] == str(traced.program)
        assert event["processId"] in pids
        if on_host:
            assert event["hostProcessId"] == event["processId"]
            assert event["hostThreadId"] == event["threadId"]
        if event["eventName"] == "gettid":
            assert event["threadId"] == event["returnValue"]
        elif event["eventName"] == "getpid":
            assert event["processId"] == event["returnValue"]
    threads = {event["threadId"] for event in traced.events}
    assert threads > pids, "a thread that is not its process"


def test_nothing_is_lost(traced: Traced) -> None:
    assert "lost" not in traced.stderr
    assert not [event for event in traced.events if event["eventName"] == "events_lost"]
