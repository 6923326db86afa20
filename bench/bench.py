"""What tracee costs, beside strace, perf trace and bpftrace doing the same work in the same run on the same machine.

getppid, open, exec
    A small C program makes the calls, first alone, then watched by each tool in turn, in rounds. Each tool writes every
    call to a file. It is attached before the work begins: strace says so, perf waits for events, and tracee and
    bpftrace show calls of another process. perf and bpftrace get buffers as large as tracee's by default; strace gets
    a tenth of the calls.
    CPU µs/event: user and system time of the tracer, all threads, from before the first call until its file has
    stopped to grow, divided by the events written. It is what utime and stime of /proc/PID/stat add up to, read in ns
    from the CPU clock of the process.
    in the call µs: CPU time that each call costs the traced program more than untraced: the kernel's part of tracing.
    call slower ns: time on the clock that each call takes longer than untraced.
    lost: calls that are not in the file, each with its result, after the tool has ended.
rate
    tracee and getppid at a steady rate for 3 s (--quick: 1 s): doubled until events are lost, then narrowed down. A
    rate holds if nothing is lost in one of two tries. Then getppid in a loop as fast as it goes.
start
    From the launch of `tracee --events getppid --output json` to the first line of JSON on its stdout, while another
    program calls getppid 1000 times a second. And how long tracee takes to begin with its default events and with all,
    and to end after Ctrl-C.
events
    CPU time that a call of the workload costs more while one event is on which the call comes by: when its scope is
    another program, and when it is the workload. In rounds, as above.
policies
    CPU time that a call of getppid costs more while 1 or 64 policies are loaded, none of which wants it. Each policy
    selects, for another program, openat (few), all system calls but getppid (many) or getppid (selected); or, for all
    programs, getppid with a filter on what it returns, which never holds (field).
    Then opens of a file, each hundredth of another: untraced, traced, with a filter on the other's path, and with 64
    policies that each name another path, one of them that. CPU of tracee for each open, what an open costs more, the
    records that left the kernel (`read` of --stats, in a run of its own, since --stats has the kernel count more),
    and the events written: two an open.
memory
    VmRSS and VmHWM of tracee with its default events after 2 s in which programs start and end.

Every figure but the highest rate is the median of the runs. Needs root and gcc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import events
import measure
import policies
import report
from events import EventCost
from measure import Cost, Memory, Rate, Span
from policies import FilterCost, PolicyCost
from running import BenchError, Place
from tools import TOOLS, WORKS, Tool, Tracee, Work

ALONE = ("rate", "start", "memory", "events", "policies")  # measures of tracee alone
T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """How much is done."""

    share: float
    """of each workload's count"""
    loop: int
    """calls of getppid without a limit"""
    first_rate: int
    seconds: int
    """of a trial at a rate: long enough that a rate which is too high fills the buffers"""
    precision: float
    """of the highest rate"""


FULL = Size(share=1.0, loop=3_000_000, first_rate=100_000, seconds=3, precision=0.05)
QUICK = Size(share=0.1, loop=300_000, first_rate=200_000, seconds=1, precision=0.2)


@dataclass
class Results:
    """The raw numbers."""

    machine: dict[str, str | int | None]
    costs: list[Cost] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    memory_kib: list[Memory] = field(default_factory=list)
    events: list[EventCost] = field(default_factory=list)
    policies: list[PolicyCost] = field(default_factory=list)
    filters: list[FilterCost] = field(default_factory=list)


def arguments() -> argparse.Namespace:
    names = [*(work.name for work in WORKS), *ALONE]
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that all runs")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of which the median is shown (default: 5)")
    parser.add_argument("--only", choices=names, metavar="NAME", help="one of %(choices)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw numbers there")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
    return options


def progress(text: str) -> None:
    """On a terminal, one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def tools_here() -> list[Tool]:
    """Those that can be measured; the others are named."""
    missing = {tool.name: why for tool in TOOLS if (why := tool.missing())}
    if missing:
        print("skipped: " + "; ".join(f"{name} ({why})" for name, why in missing.items()))
    return [tool for tool in TOOLS if tool.name not in missing]


def measure_costs(place: Place, work: Work, tools: list[Tool], runs: int, share: float) -> list[Cost]:
    """In rounds over the tools, so that what else the machine does meets all alike. A tool that fails is left out."""
    samples: list[Cost] = []
    failed: set[str] = set()
    for run in range(runs):
        for tool in (None, *tools):
            name = tool.name if tool else "none"
            if name in failed:
                continue
            progress(f"{work.name} {run + 1}/{runs} {name}")
            try:
                samples.append(measure.cost(place, work, tool, share))
            except BenchError as error:
                if tool is None:
                    raise
                progress("")
                print(f"{work.name} without {name}: {error}")
                failed.add(name)
    progress("")
    return [sample for sample in samples if sample.tool not in failed]


def repeat(name: str, runs: int, once: Callable[[], T]) -> list[T]:
    results = []
    for run in range(runs):
        progress(f"{name} {run + 1}/{runs}")
        results.append(once())
    progress("")
    return results


def measure_rates(place: Place, runs: int, size: Size) -> list[Rate]:
    """The search once: each rate has tries of its own."""
    rates = []
    for trial in measure.ceiling(place, size.first_rate, size.seconds, size.precision):
        rates.append(trial)
        progress(f"rate {trial.asked:,}/s: {trial.lost:,} of {trial.calls:,} lost")
    return rates + repeat("rate without a limit", runs, lambda: measure.unthrottled(place, size.loop))


def measure_events(place: Place, runs: int, share: float) -> list[EventCost]:
    samples = []
    for watch in events.WATCHES:
        for run in range(runs):
            progress(f"{watch.event} {run + 1}/{runs}")
            samples += [events.event_cost(place, watch, scope, share) for scope in ("none", "others", "workload")]
    progress("")
    return samples


def measure_policies(place: Place, runs: int, share: float) -> list[PolicyCost]:
    """In rounds over all of them."""
    cases = [("untraced", 0), *((kind, count) for kind in policies.KINDS for count in policies.COUNTS)]
    samples = []
    for run in range(runs):
        for kind, count in cases:
            progress(f"policies {run + 1}/{runs} {kind} {count}")
            samples.append(policies.policy_cost(place, kind, count, share))
    progress("")
    return samples


def measure_filters(place: Place, runs: int, share: float) -> list[FilterCost]:
    samples = []
    for run in range(runs):
        for name in policies.FILTERS:
            progress(f"filters {run + 1}/{runs} {name}")
            samples.append(policies.filter_cost(place, name, share))
    progress("")
    return samples


def run(options: argparse.Namespace, place: Place) -> Results:
    """Measures, and prints each result as it comes."""
    size = QUICK if options.quick else FULL
    tools = tools_here()
    results = Results(machine())
    for work in WORKS:
        if options.only in (None, work.name):
            samples = measure_costs(place, work, tools, options.runs, size.share)
            results.costs += samples
            print("\n" + report.costs(work, samples), flush=True)
    if not any(isinstance(tool, Tracee) for tool in tools):
        return results
    print()
    if options.only in (None, "rate"):
        results.rates = measure_rates(place, options.runs, size)
        print(report.rates(results.rates), flush=True)
    if options.only in (None, "start"):
        results.start_seconds = repeat("start", options.runs, lambda: measure.startup(place))
        print(report.startup(results.start_seconds), flush=True)
        for wanted in ("default", "all"):
            results.spans += repeat(f"start of {wanted}", options.runs, partial(measure.span, wanted))
        print(report.spans(results.spans), flush=True)
    if options.only in (None, "memory"):
        results.memory_kib = repeat("memory", options.runs, lambda: measure.memory(place))
        print(report.memory(results.memory_kib), flush=True)
    if options.only in (None, "events"):
        results.events = measure_events(place, options.runs, size.share)
        print("\n" + report.events(results.events), flush=True)
    if options.only in (None, "policies"):
        results.policies = measure_policies(place, options.runs, size.share)
        print("\n" + report.policies(results.policies), flush=True)
        results.filters = measure_filters(place, options.runs, size.share)
        print("\n" + report.filters(results.filters), flush=True)
    return results


def machine() -> dict[str, str | int | None]:
    return {"kernel": platform.release(), "architecture": platform.machine(), "cpus": os.cpu_count()}


def main() -> int:
    options = arguments()
    if os.geteuid() != 0:
        print("ERROR bench: tracing needs root", file=sys.stderr)
        return 1
    print("Linux {kernel}, {architecture}, {cpus} CPUs".format(**machine()))
    try:
        with tempfile.TemporaryDirectory(prefix="tracee-bench-") as folder:
            place = Place(Path(folder))
            place.compile()
            results = run(options, place)
        if options.json:
            options.json.write_text(json.dumps(asdict(results), indent=2) + "\n")
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        progress("")
        print(f"ERROR bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress("")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
