"""``--stats``: what went through and what it cost, on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tracee import _core

_LABELS = {
    "eventsByName": "events",
    "lostByName": "lost",
    "outputs": "outputs",
    "cpuSeconds": "CPU seconds",
    "programs": "kernel programs",
    "sinks": "sinks",
    "signatures": "signatures",
}


Signatures = Mapping[str, Mapping[str, float]]
"""Counters of each."""


def print_statistics(tracer: _core.Tracer, signatures: Signatures, *, as_json: bool) -> None:
    """One JSON object, or lines for a person. To be called when tracing has ended."""
    known = gather(tracer, signatures)
    if as_json:
        print(json.dumps({"stats": known}), file=sys.stderr)
        return
    counters = {name: value for name, value in known.items() if name not in _LABELS}
    width = max(map(len, counters))
    for name, value in counters.items():
        print(f"{name:{width}}  {value}", file=sys.stderr)
    for name, label in _LABELS.items():
        lines = list(_lines(known.get(name, {})))
        if lines:
            print(f"{label}:", *lines, sep="\n  ", file=sys.stderr)


def gather(tracer: _core.Tracer, signatures: Signatures) -> dict[str, Any]:
    """The counters, and by name: events, losses, outputs, CPU seconds of each stage, programs of the kernel, sinks,
    signatures."""
    known: dict[str, Any] = {**tracer.counters(), **tracer.statistics()}
    stages = known["cpuSeconds"]
    # what the process took beside its own threads for events: the start, Python, enrichment, sinks
    stages["rest"] = round(max(0.0, time.process_time() - stages["reader"] - stages["writers"]), 6)
    sinks = sink_counters()
    if sinks:
        known["sinks"] = sinks
    if signatures:
        known["signatures"] = signatures
    return known


def sink_counters() -> dict[str, dict[str, int | str]]:
    """By sink and by name; empty where no sinks were imported."""
    if "tracee.sinks" not in sys.modules:
        return {}
    from tracee.sinks import counters

    return {sink: values.by_name() for sink, values in counters().items()}


def _lines(parts: Mapping[str, Any]) -> Iterator[str]:
    """The largest first, where they are numbers."""
    numbers = all(isinstance(value, int) for value in parts.values())
    entries = sorted(parts.items(), key=lambda entry: -entry[1]) if numbers else list(parts.items())
    width = max(map(len, parts), default=0)
    for name, value in entries:
        if isinstance(value, Mapping):
            value = " ".join(f"{key}={_short(part)}" for key, part in value.items())
        yield f"{name:{width}}  {_short(value)}"


def _short(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value
