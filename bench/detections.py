"""What detections cost: one signature that is given everything, and all that are built in.

follow
    getppid in a loop, or at a rate, each call of which one trivial signature is given. tracee has one core, the
    program that calls another. Events that the signature was given by CPU time of all of tracee; and whether it
    missed any.
built in
    The workloads of bench.py, watched with the default events, their findings left out and put in: CPU of the
    workload and of tracee together, by call, and the records that left the kernel.

Needs root, gcc, and two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from running import Place, Workload, cpu_time, end
from tools import TRACEE, WORKS

TRIVIAL = """
from tracee.detect import Metadata, Selected, Signature

class Trivial(Signature):
    metadata = Metadata(id="BENCH-1", name="Trivial", event_name="trivial", description="It finds nothing.")
    selected = (Selected("getppid"),)
    calls = 0

    def on_event(self, event):
        if event.return_value < 0:
            self.found(event)
        self.calls += 1
"""
KINDS = {"without": "default,-signatures", "with": "default"}
RATES = (100_000, 200_000, 300_000)
SECONDS = 3


class Watched(NamedTuple):
    """One workload, watched."""

    calls: int
    cpu_seconds: float
    """of tracee"""
    workload_seconds: float
    """CPU of the workload"""
    stats: dict[str, Any]
    seconds: float


def run(place: Place, arguments: list[str], flags: list[str], *, apart: bool = False) -> Watched:
    """Watches a workload from before its first call until all that it led to has been looked at.

    Args:
        place: has the workload.
        arguments: of the workload.
        flags: of tracee.
        apart: tracee has the first core, the workload another.
    """
    with Workload(place, arguments) as workload, _tracee(place, flags) as (process, errors):
        if apart:
            _pin(process.pid, {0})
            _pin(workload.pid, {max(os.sched_getaffinity(0))})
        _settle(process.pid)  # the kernel's hooks are searched once, at the start
        before = cpu_time(process.pid)
        began = time.monotonic()
        workload.begin()
        done = workload.result()
        _settle(process.pid)  # all that it led to
        seconds = time.monotonic() - began
        cpu = cpu_time(process.pid) - before
        end(process, signal.SIGINT)
        last_line = errors.read_text().splitlines()[-1]
        stats = json.loads(last_line)["stats"] if "--stats" in flags else {}
    return Watched(done.calls, cpu, done.calls * done.cpu_ns_per_call / 1e9, stats, seconds)


def _settle(pid: int) -> None:
    """Waits until it does nothing any more but to look whether there is something, every 50 ms."""
    last = cpu_time(pid)
    while True:
        time.sleep(0.3)
        now = cpu_time(pid)
        if now - last < 0.02:
            return
        last = now


def _pin(pid: int, cores: set[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


@contextlib.contextmanager
def _tracee(place: Place, flags: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    errors = place.folder / "errors"
    command = [str(TRACEE), "--log", "debug", *flags, "--output", f"json:{place.folder}/output"]
    with errors.open("wb") as to:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=to)
    try:
        while "tracing has begun" not in errors.read_text():
            if process.poll() is not None:
                raise SystemExit(errors.read_text())
            time.sleep(0.05)
        yield process, errors
    finally:
        end(process, signal.SIGKILL)


def follow(place: Place) -> None:
    """One signature that is given everything."""
    folder = place.folder / "signatures"
    folder.mkdir()
    (folder / "trivial.py").write_text(TRIVIAL)
    flags = ["--signatures-dir", str(folder), "--events", "trivial", "--stats"]
    watched = run(place, ["getppid", "2000000"], flags, apart=True)
    _tell_followed("loop", watched)
    for rate in RATES:
        _tell_followed(f"{rate} a second", run(place, ["rate", str(rate), str(SECONDS)], flags, apart=True))


def _tell_followed(what: str, watched: Watched) -> None:
    own = watched.stats["signatures"]["trivial"]
    rate = own["events"] / watched.cpu_seconds
    missed = watched.stats["undetected"] + watched.stats["lost"]
    print(f"follow: {what}: {own['events']} events, {rate:,.0f} a second of CPU, {missed} missed", flush=True)


def built_in(place: Place, rounds: int, share: float) -> None:
    """All that are built in."""
    for work in WORKS:
        costs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        read = {}
        for number in range(rounds + 1):
            for kind, events in KINDS.items():
                # counting has the kernel do more, so that is a run of its own
                flags = ["--stats"] if number == 0 else []
                watched = run(place, work.arguments(share), ["--events", events, *flags])
                if number == 0:
                    read[kind] = watched.stats["read"]
                else:
                    parts = watched.workload_seconds, watched.cpu_seconds
                    costs[kind].append((parts[0] / watched.calls * 1e6, parts[1] / watched.calls * 1e6))
        medians = {
            kind: [statistics.median(part) for part in zip(*values, strict=True)] for kind, values in costs.items()
        }
        for kind, (own, tracer) in medians.items():
            print(
                f"built in: {work.name}: {kind}: {own:.2f} µs a call in the workload, {tracer:.2f} in tracee, "
                f"{read[kind]} records",
                flush=True,
            )
        print(f"built in: {work.name}: ratio {sum(medians['with']) / sum(medians['without']):.2f}", flush=True)


def main() -> None:
    """Prints the figures."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--part", choices=("follow", "built-in"))
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--share", type=float, default=1.0, help="of the workloads of bench.py")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        place.compile()
        if given.part != "built-in":
            follow(place)
        if given.part != "follow":
            built_in(place, given.rounds, given.share)


if __name__ == "__main__":
    main()
