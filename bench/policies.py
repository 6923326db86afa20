"""What loaded policies cost the calls that none of them wants, and what a filter that lets little through saves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from events import WORKLOAD, Watching
from running import BenchError, Place, Tracer, Workload
from tools import TRACEE, Work

__all__ = ["COUNTS", "FILTERS", "KINDS", "FilterCost", "PolicyCost", "filter_cost", "policy_cost"]

KINDS = ("few", "many", "selected", "field")
COUNTS = (1, 64)  # policies: the least and the most
FILTERS = ("untraced", "no filter", "filter", "64 policies")
UNWANTED = Work("getppid", (), 400_000)
OPENED = ("openat", "security_file_open")  # the events of an open, both with the file's path
OPENS = 100_000
SHARE_WANTED = 100  # one of so many opens is what the filter names, see workloads.c


@dataclass(frozen=True)
class PolicyCost:
    """One run of getppid, which no policy wants: CPU time of each call, in the workload itself."""

    kind: str
    """what the policies select, one of KINDS; `untraced` when nothing is traced"""
    policies: int
    cpu_ns_per_call: float


@dataclass(frozen=True)
class FilterCost:
    """One run of `mix`. The counts are None of a run that nothing traces."""

    filters: str
    """one of FILTERS"""
    calls: int
    cpu_ns_per_call: float
    tracer_us_per_call: float | None = None
    """CPU time of tracee, for each call made"""
    written: int | None = None
    expected: int | None = None
    records: int | None = None
    """that left the kernel, of a run of its own: to count them, the kernel's BPF statistics are on"""


def policy_cost(place: Place, kind: str, policies: int, share: float) -> PolicyCost:
    """CPU time, not time on the clock, as with `event_cost`."""
    with Workload(place, UNWANTED.arguments(share)) as workload:
        if kind == "untraced":
            workload.begin()
            return PolicyCost(kind, 0, workload.result().cpu_ns_per_call)
        file = _written(place, (_unwanting(kind, n) for n in range(1, policies + 1)))
        with Tracer(place, Watching(["--policy", str(file)]), UNWANTED, workload.pid) as tracer:
            workload.begin()
            done = workload.result()
        if tracer.output.stat().st_size:
            raise BenchError(f"policies {kind}: an event was written that none of them wants")
    return PolicyCost(kind, policies, done.cpu_ns_per_call)


def _unwanting(kind: str, number: int) -> str:
    """A policy that turns the workload's getppid away."""
    name, nobody = f"{kind}-{number}", f"comm=nobody-{number}"
    if kind == "few":
        return _policy(name, nobody, ["openat"])
    if kind == "many":
        return _policy(name, nobody, [call for call in system_calls() if call != "getppid"])
    if kind == "selected":
        return _policy(name, nobody, ["getppid"])
    return _policy(name, "global", ["getppid"], f"retval=-{number}")


def system_calls() -> list[str]:
    """By name, as `tracee --events list` tells them; without those that 32-bit programs alone have."""
    listed = subprocess.run([str(TRACEE), "--events", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [row[0] for row in rows if row[1:2] == ["syscalls"] and "32bit_unique" not in row]


def _policy(name: str, scope: str, events: Iterable[str], *filters: str) -> str:
    rules = "".join(f"    - event: {event}\n" + "".join(_filters(filters)) for event in events)
    return (
        "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\n"
        f"metadata:\n  name: {name}\n"
        f"spec:\n  scope:\n    - {scope}\n  rules:\n{rules}"
    )


def _filters(filters: tuple[str, ...]) -> Iterable[str]:
    if filters:
        yield "      filters:\n"
    for text in filters:
        yield f'        - "{text}"\n'


def _written(place: Place, policies: Iterable[str]) -> Path:
    """A folder with a file for each policy, alone in it."""
    folder = place.folder / "policies"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, text in enumerate(policies):
        (folder / f"{number:02}.yaml").write_text(text)
    return folder


def filter_cost(place: Place, filters: str, share: float) -> FilterCost:
    """CPU of the tracer: its clock when the last event stands in the file, less its clock before the first call.

    Records are those of a second run, with what other programs' start and end adds to them.
    """
    often, seldom = place.folder / "often", place.folder / "seldom"
    often.touch()
    seldom.touch()
    work = Work("mix", OPENED, OPENS, (str(often), str(seldom)))
    with Workload(place, work.arguments(share)) as workload:
        if filters == "untraced":
            workload.begin()
            done = workload.result()
            return FilterCost(filters, done.calls, done.cpu_ns_per_call)
        select = _selection(place, filters, seldom)
        with Tracer(place, Watching(select), work, workload.pid) as tracer:
            before = tracer.cpu_time()
            workload.begin()
            done = workload.result()
            wanted = done.calls if filters == "no filter" else done.calls // SHARE_WANTED
            expected = len(OPENED) * wanted
            tracer.wait_until_written(expected)
            cpu = tracer.cpu_time() - before
        written = tracer.events()
    records = _records(place, work, select, share)
    per_call = cpu / done.calls * 1e6
    return FilterCost(filters, done.calls, done.cpu_ns_per_call, per_call, written, expected, records)


def _selection(place: Place, filters: str, wanted: Path) -> list[str]:
    """Flags of tracee. Of 64 policies the first names the file `wanted`, the others some that nobody opens."""
    scope = f"comm={WORKLOAD}"
    if filters == "64 policies":
        paths = [wanted, *(wanted.with_name(f"never-{n}") for n in range(1, 64))]
        policies = (_policy(path.name, scope, OPENED, f"data.pathname={path}") for path in paths)
        return ["--policy", str(_written(place, policies))]
    flags = ["--events", ",".join(OPENED), "--scope", scope]
    return flags if filters == "no filter" else [*flags, "--filter", f"data.pathname={wanted}"]


def _records(place: Place, work: Work, select: list[str], share: float) -> int:
    """The counter `read` of `--stats`."""
    with Workload(place, work.arguments(share)) as workload:
        with Tracer(place, Watching([*select, "--stats"]), work, workload.pid) as tracer:
            workload.begin()
            workload.result()
        for line in tracer.errors().splitlines():
            if line.startswith('{"stats"'):
                return int(json.loads(line)["stats"]["read"])
        raise BenchError("tracee --stats: no counters on its standard error")
