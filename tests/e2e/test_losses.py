"""Losses: counted exactly, told where and when, and over as soon as the flood is."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from conftest import Tracee, wait_until

FLOOD = 40_000


def test_sent_is_seen_plus_lost(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    """The reader is stopped while more calls are made than the smallest ring holds."""
    caller = compile_c("caller")
    arguments = ("--events", "getppid", "--scope", "comm=caller", "--output", "json", "--perf-buffer-size", "1")
    with tracee.run(*arguments, "--stats") as run:
        run.process.send_signal(signal.SIGSTOP)
        subprocess.run([caller, "threads", "4", str(FLOOD)], check=True)
        run.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "events lost" in run.stderr, "the loss to be told")
        wait_until(lambda: run.stdout.count("events_lost") > 0, "the loss to be in the record")
        # the flood is over: not one more is lost
        subprocess.run([caller, "calls", "1000"], check=True)
        events = run.stop()

    seen = [e for e in events if e["eventName"] == "getppid"]
    losses = [{a["name"]: a["value"] for a in e["args"]} for e in events if e["eventName"] == "events_lost"]
    lost = sum(loss["count"] for loss in losses)
    assert lost > 0
    assert len(seen) + lost == 4 * FLOOD + 1000
    last = [e for e in seen if e["hostProcessId"] == seen[-1]["hostProcessId"]]
    assert len(last) == 1000

    assert {loss["event"] for loss in losses} == {"getppid"}
    holes = [(loss["from"], loss["to"]) for loss in losses]
    first, final = seen[0]["timestamp"], seen[-1]["timestamp"]
    assert all(first <= start <= end <= final for start, end in holes)
    told = re.findall(r"WARN events lost: (\d+) \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)", run.stderr)
    assert int(told[-1]) == lost
    assert f'"lost": {lost}' in run.stderr
    # in the order of time, whatever the ring
    times = [e["timestamp"] for e in seen]
    assert times == sorted(times)


def test_nothing_is_said_when_nothing_is_lost(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    with tracee.run("--events", "getppid", "--scope", "comm=caller", "--output", "json") as run:
        subprocess.run([compile_c("caller"), "calls", "5000"], check=True)
        events = run.stop()
    assert len(events) == 5000
    assert "events lost" not in run.stderr


def test_memory_stays_bounded_under_a_flood(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    """Threads, forks and execs as fast as they go, with everything selected, and an output that takes nothing."""
    caller = compile_c("caller")
    with tracee.run("--events", "all", "--output", "json", "--output", "option:out-file=/dev/null") as run:
        script = f"for i in $(seq 300); do {caller} threads 8 200; done"
        subprocess.run(["/bin/sh", "-c", script], check=True)
        status = Path(f"/proc/{run.process.pid}/status").read_text()
        run.stop()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak and int(peak[1]) < 100_000


def test_a_storm_of_processes_does_not_hold_up_the_end(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    """Control records come without a pause; what came before the end is all there."""
    caller = compile_c("caller")
    storm = [subprocess.Popen(["/bin/sh", "-c", "while :; do (:); done"]) for _ in range(4)]
    try:
        with tracee.run("--events", "getppid", "--scope", "comm=caller", "--output", "json") as run:
            subprocess.run([caller, "calls", "1000"], check=True)
            assert len(run.stop()) == 1000
    finally:
        for process in storm:
            process.kill()
            process.wait()


def test_sampling_keeps_its_share(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    with tracee.run("--events", "getppid", "--scope", "comm=caller", "--output", "json", "--sampling", "25") as run:
        subprocess.run([compile_c("caller"), "calls", "20000"], check=True)
        seen = len(run.stop())
    # 20 standard deviations around 5000: a sampler that works never leaves them
    assert 3700 < seen < 6300
