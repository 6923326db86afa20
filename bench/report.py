"""The figures as text: aligned tables of medians, and tracee's place beside the others."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from events import EventCost
from measure import Cost, Memory, Rate, Span
from policies import FilterCost, PolicyCost
from tools import Work

__all__ = ["costs", "events", "filters", "memory", "policies", "rates", "startup", "table"]

Number = Callable[[Cost], float]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as what they hold; the first to the left, numbers to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]

    def text(line: Sequence[str]) -> str:
        first, *rest = (f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(line))
        return "  ".join([first, *rest]).rstrip()

    return "\n".join(map(text, lines))


def costs(work: Work, samples: list[Cost]) -> str:
    """One table for a workload: a line for each tool that watched it, and how many times ours each figure is."""
    by_tool: dict[str, list[Cost]] = {}
    for sample in samples:
        if sample.work == work.name:
            by_tool.setdefault(sample.tool, []).append(sample)
    alone = by_tool.pop("none")
    plain, plain_cpu = _median(alone, _wall), _median(alone, _inside)
    figures = {
        tool: (_median(runs, _tracer), (_median(runs, _inside) - plain_cpu) / 1000, _median(runs, _wall) - plain)
        for tool, runs in by_tool.items()
    }
    ours = figures.get("tracee")
    rows = []
    for tool, (tracer, inside, slower) in figures.items():
        ratios = [_ratio(theirs, own) for theirs, own in zip((tracer, inside, slower), ours or (0, 0, 0), strict=True)]
        cells = [f"{tracer:.2f}", ratios[0], f"{inside:.2f}", ratios[1], f"{slower:,.0f}", ratios[2]]
        rows.append([tool, *cells, _loss(by_tool[tool])])
    heads = ["tool", "CPU µs/event", "x ours", "in the call µs", "x ours", "call slower ns", "x ours", "lost"]
    title = f"{work.name} ({', '.join(work.events)}), medians of {_runs(alone)}; untraced a call takes {plain:,.0f} ns"
    return f"{title}\n{table(heads, rows)}"


def _wall(cost: Cost) -> float:
    return cost.ns_per_call


def _inside(cost: Cost) -> float:
    return cost.cpu_ns_per_call


def _tracer(cost: Cost) -> float:
    return cost.tracer_us_per_event or 0.0


def _median(samples: list[Cost], number: Number) -> float:
    return statistics.median(map(number, samples))


def _ratio(theirs: float, ours: float) -> str:
    return f"{theirs / ours:.1f}" if ours > 0 else "-"


def _loss(samples: Sequence[Cost | Rate]) -> str:
    """Of all runs together; beside it what the tool says, where that differs."""
    lost, calls = sum(sample.lost or 0 for sample in samples), sum(sample.calls for sample in samples)
    text = f"{lost:,} of {calls:,}"
    told = [sample.losses_told for sample in samples if sample.losses_told is not None]
    return f"{text} (it says {sum(told):,})" if told and sum(told) != lost else text


def rates(trials: list[Rate]) -> str:
    """Of tracee: the highest rate without loss, and the loop without a limit."""
    held = [trial for trial in trials if trial.asked and not trial.lost]
    failed = [trial for trial in trials if trial.asked and trial.lost]
    loops = [trial for trial in trials if not trial.asked]
    pace = statistics.median(trial.reached for trial in loops)
    if held:
        best = max(trial.reached for trial in held)
        limit = f"; in the trials above: lost {_loss(failed)}" if failed else "; the traced program calls no faster"
        first = f"highest rate without loss {best:,.0f} events/s{limit}"
    else:
        first = "no rate without loss found"
    return f"tracee: {first}\ntracee: getppid without a limit {pace:,.0f} events/s; lost {_loss(loops)}"


def startup(seconds: list[float]) -> str:
    low, high = min(seconds), max(seconds)
    median = statistics.median(seconds)
    return f"tracee: first event {median * 1e3:,.0f} ms after launch (from {low * 1e3:,.0f} to {high * 1e3:,.0f})"


def spans(samples: list[Span]) -> str:
    lines = []
    for events in dict.fromkeys(sample.events for sample in samples):
        of = [sample for sample in samples if sample.events == events]
        start, stop = (statistics.median(values) for values in zip(*((s.start, s.stop) for s in of), strict=True))
        lines.append(f"tracee --events {events}: begins in {start * 1e3:,.0f} ms, ends in {stop * 1e3:,.0f} ms")
    return "\n".join(lines)


def memory(samples: list[Memory]) -> str:
    now, peak = (statistics.median(values) / 1024 for values in zip(*((s.now, s.peak) for s in samples), strict=True))
    return f"tracee: resident with the default events {now:.1f} MiB (VmRSS), at most {peak:.1f} MiB (VmHWM)"


def events(samples: list[EventCost]) -> str:
    """A line for each event."""
    rows = []
    for event, work in dict.fromkeys((sample.event, sample.work) for sample in samples):
        of = [sample for sample in samples if sample.event == event]
        alone, others, workload = (
            statistics.median(sample.cpu_ns_per_call for sample in of if sample.scope == scope)
            for scope in ("none", "others", "workload")
        )
        rows.append([event, work, f"{alone:,.0f}", f"{others - alone:,.0f}", f"{workload - alone:,.0f}"])
    heads = ["event", "calls", "untraced ns", "more for others ns", "more for us ns"]
    runs = [sample for sample in samples if sample.event == samples[0].event and sample.scope == "none"]
    return f"tracee: what an event costs each call, medians of {_runs(runs)}\n{table(heads, rows)}"


def policies(samples: list[PolicyCost]) -> str:
    """A line for what the policies select, a column for how many they are."""
    by_case: dict[tuple[str, int], list[float]] = {}
    for sample in samples:
        by_case.setdefault((sample.kind, sample.policies), []).append(sample.cpu_ns_per_call)
    alone = by_case.pop(("untraced", 0))
    plain = statistics.median(alone)
    kinds, counts = (list(dict.fromkeys(values)) for values in zip(*by_case, strict=True))
    rows = [
        [str(kind), *(f"{statistics.median(by_case[str(kind), int(count)]) - plain:,.0f}" for count in counts)]
        for kind in kinds
    ]
    heads = ["policies select", *(f"{count} loaded, more ns" for count in counts)]
    title = f"tracee: what policies cost a call that none wants (getppid), medians of {_runs(alone)}"
    return f"{title}; untraced it takes {plain:,.0f} ns\n{table(heads, rows)}"


def filters(samples: list[FilterCost]) -> str:
    """A line for each way to filter."""
    by_filter: dict[str, list[FilterCost]] = {}
    for sample in samples:
        by_filter.setdefault(sample.filters, []).append(sample)
    alone = by_filter.pop("untraced")
    plain = statistics.median(sample.cpu_ns_per_call for sample in alone)
    rows = []
    for name, runs in by_filter.items():
        inside = statistics.median(sample.cpu_ns_per_call for sample in runs) - plain
        tracer = statistics.median(sample.tracer_us_per_call or 0.0 for sample in runs)
        records = statistics.median(sample.records or 0 for sample in runs)
        written, expected = sum(sample.written or 0 for sample in runs), sum(sample.expected or 0 for sample in runs)
        rows.append([name, f"{tracer:.3f}", f"{inside:,.0f}", f"{records:,.0f}", f"{written:,} of {expected:,}"])
    heads = ["", "CPU µs/call", "in the call ns", "records", "written in all runs"]
    title = f"tracee: {alone[0].calls:,} opens of which a filter wants one in a hundred, medians of {_runs(alone)}"
    return f"{title}; untraced one takes {plain:,.0f} ns\n{table(heads, rows)}"


def _runs(of: Sequence[object]) -> str:
    return f"{len(of)} run{'s' if len(of) > 1 else ''}"
