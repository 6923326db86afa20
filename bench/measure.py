"""The measurements. How each figure is taken stands with its function."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from running import BenchError, Place, Tracer, Workload, end, family
from tools import TRACEE, Tool, Tracee, Work

__all__ = ["Cost", "Memory", "Rate", "Span", "ceiling", "cost", "memory", "span", "startup", "unthrottled"]

CALLS_A_SECOND = 1000  # of the program whose first call ends the measure of start-up
LAUNCH_LIMIT = 30.0  # seconds
WORK_SECONDS = 2.0  # before memory is read
KEPT_UP = 0.95  # of the rate asked for: a workload below that is itself the limit
TRIES = 2  # a rate holds if it holds once in so many tries


@dataclass(frozen=True)
class Cost:
    """One run of a workload, alone (tool `none`) or watched."""

    work: str
    tool: str
    calls: int
    ns_per_call: float
    cpu_ns_per_call: float
    """CPU time of the workload itself: what a tracer does inside of the call is in it"""
    tracer_us_per_event: float | None = None
    written: int | None = None
    lost: int | None = None
    losses_told: int | None = None


def cost(place: Place, work: Work, tool: Tool | None, share: float) -> Cost:
    """CPU of the tracer: its clock when the last event stands in the file, less its clock before the first call,
    divided by the events written. Lost: calls less the events of the workload in the file after the tracer has ended.
    """
    if tool is None:
        with Workload(place, work.arguments(share)) as workload:
            workload.begin()
            done = workload.result()
        return Cost(work.name, "none", done.calls, done.ns_per_call, done.cpu_ns_per_call)
    with Workload(place, work.arguments(share * tool.share)) as workload:
        with Tracer(place, tool, work, workload.pid) as tracer:
            before = tracer.cpu_time()
            workload.begin()
            done = workload.result()
            tracer.wait_until_written(done.calls)
            cpu = tracer.cpu_time() - before
        written = tracer.events()
        told = tool.losses_told(tracer.errors(), tracer.output)
    lost = done.calls - written
    if not written:
        raise BenchError(f"{tool.name}: none of {done.calls} events written")
    per_event = cpu / written * 1e6
    return Cost(
        work.name, tool.name, done.calls, done.ns_per_call, done.cpu_ns_per_call, per_event, written, lost, told
    )


@dataclass(frozen=True)
class Rate:
    """One run of getppid at a rate, or without one, watched by tracee."""

    asked: int | None
    reached: float
    """calls a second"""
    calls: int
    lost: int
    losses_told: int | None


def _rate(place: Place, asked: int | None, arguments: list[str]) -> Rate:
    work, tool = Work("getppid", ("getppid",), 1), Tracee()
    with Workload(place, arguments) as workload:
        with Tracer(place, tool, work, workload.pid) as tracer:
            workload.begin()
            done = workload.result()
            tracer.wait_until_written(done.calls)
        lost = done.calls - tracer.events()
        told = tool.losses_told(tracer.errors(), tracer.output)
        return Rate(asked, done.calls / done.seconds, done.calls, lost, told)


def unthrottled(place: Place, calls: int) -> Rate:
    """getppid in a loop as fast as it goes: what the machine can make of events, and how many of them are lost."""
    return _rate(place, None, ["getppid", str(calls)])


def ceiling(place: Place, start: int, seconds: int, precision: float) -> Iterator[Rate]:
    """Trials whose best without loss is the highest rate: doubled until one loses or the workload can't call as fast,
    then halved in between until both ends are within `precision`. Every trial has a tracer and a file of its own.
    """
    good, bad, rate = 0, 0, start
    while not (good and bad and bad - good <= precision * good) and rate >= start // 16:
        trial = None
        for _ in range(TRIES):
            trial = _rate(place, rate, ["rate", str(rate), str(seconds)])
            yield trial
            if not trial.lost:
                break
        assert trial is not None
        if trial.lost:
            bad = rate
        elif trial.reached < KEPT_UP * rate:
            return
        else:
            good = rate
        rate = (good + bad) // 2 if bad else 2 * good


def startup(place: Place) -> float:
    """Seconds from the launch of tracee to the first line of JSON on its stdout, while another program calls getppid
    1000 times a second.
    """
    with Workload(place, ["rate", str(CALLS_A_SECOND), str(round(10 * LAUNCH_LIMIT))]) as workload:
        workload.begin()
        launched = time.monotonic()
        command = [str(TRACEE), "--events", "getppid", "--output", "json"]
        errors = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=errors, stderr=errors) as tracee:
            try:
                assert tracee.stdout is not None
                _first_line(tracee.stdout.fileno(), launched + LAUNCH_LIMIT)
                return time.monotonic() - launched
            finally:
                end(tracee, signal.SIGKILL)


@dataclass(frozen=True)
class Span:
    """How long a trace takes to begin and to end, in seconds."""

    events: str
    start: float
    stop: float


def span(events: str) -> Span:
    """From the launch of tracee with these events until it says that it traces, and from Ctrl-C to its end."""
    command = [str(TRACEE), "--events", events, "--log", "debug", "--output", "json:/dev/null"]
    launched = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracee:
        assert tracee.stderr is not None
        said = b""
        for line in tracee.stderr:
            said = line
            if b"tracing has begun" in line:
                break
        else:
            raise BenchError(f"tracee --events {events}: {said.decode(errors='replace').strip()}")
        begun = time.monotonic()
        tracee.send_signal(signal.SIGINT)
        tracee.stderr.read()
        tracee.wait(LAUNCH_LIMIT)
        return Span(events, begun - launched, time.monotonic() - begun)


def _first_line(stdout: int, until: float) -> None:
    """Reads until a whole line of JSON has come."""
    text = b""
    while not re.search(rb"^\{.*\}$", text, re.MULTILINE):
        readable, _, _ = select.select([stdout], [], [], max(0.0, until - time.monotonic()))
        part = os.read(stdout, 65536) if readable else b""
        if not part:
            raise BenchError("tracee: no line of JSON on stdout")
        text += part


@dataclass(frozen=True)
class Memory:
    """Resident memory of tracee, KiB."""

    now: int
    peak: int


def memory(place: Place) -> Memory:
    """VmRSS and VmHWM of tracee with its default events after 2 s in which programs start and end, 20 at a time."""
    work = Work("exec", ("execve",), 20)
    out = place.folder / "output"
    command = [str(TRACEE), "--output", "json", "--output", f"option:out-file={out}"]
    with Tracer(place, Tracee(), work, os.getpid(), command) as tracer:
        finish = time.monotonic() + WORK_SECONDS
        while time.monotonic() < finish:
            place.run(*work.arguments(1))
        return Memory(_status(tracer.process.pid, "VmRSS"), _status(tracer.process.pid, "VmHWM"))


def _status(pid: int, field: str) -> int:
    """Of the process and its descendants together, KiB."""
    total = 0
    for member in family(pid):
        found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{member}/status").read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    return total
