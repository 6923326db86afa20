"""Counters in the form that Prometheus reads. Imported only where they are served: it takes a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from tracee import _core
from tracee.sinks.frame.delivery import Counters

_COUNTERS = {
    "read": ("events_read", "Events that reached user space."),
    "matched": ("events_matched", "Events that a policy wanted, and that were written or sent."),
    "malformed": ("events_malformed", "Records that made no sense."),
    "lost": ("events_lost", "Events that found no room in the buffers."),
    "controlLost": ("process_records_lost", "Records of processes that found no room."),
    "bytesWritten": ("written_bytes", "Bytes of formatted events."),
    "containersUnnamed": ("containers_unnamed", "Containers that no runtime could name."),
    "containersLeftOut": ("containers_left_out", "Containers that found no room."),
    "packetsKept": ("packets_kept", "Packets in files."),
    "packetsNotKept": ("packets_not_kept", "Packets that could not be written."),
    "processesForgotten": ("processes_forgotten", "Processes that found no room in the tree."),
}
_GAUGES = {"processes": ("processes", "Processes in the tree.")}
_OF_SINKS = {
    "sent": "Events that the receiver has.",
    "refused": "Events that the receiver will never take.",
    "dropped": "Events that found no room.",
    "batches": "Batches that the receiver has.",
    "retried": "Batches sent again.",
}
_OF_SIGNATURES = {
    "events": ("events", "Events that it was given."),
    "findings": ("findings", "What it found."),
    "errors": ("errors", "Events that it failed on."),
    "seconds": ("seconds", "Time that it took."),
}
_OF_PROGRAMS = {
    "seconds": "Run time of each kernel program, with --stats.",
    "skipped": "How often the kernel left a program out, and lost what it would have told.",
}
_QUEUES = {
    "queued": ("queued_events", "Events that wait in memory."),
    "queued_bytes": ("queued_bytes", "Bytes that wait in memory."),
    "spooled": ("spooled_events", "Events that wait on the disk."),
    "spool_bytes": ("spool_bytes", "Bytes that the spool takes."),
}

Signatures = Mapping[str, Mapping[str, float]]
"""Counters of each."""


class Metrics:
    """All metrics of a run."""

    def __init__(self) -> None:
        """There are those of the process, and once :meth:`watch` is called those of its tracer."""
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Build())

    def watch(self, tracer: _core.Tracer, signatures: Callable[[], Signatures]) -> None:
        """Has the tracer's counters told, too, and those of its signatures."""
        self._registry.register(_OfTracer(tracer))
        self._registry.register(_OfSignatures(signatures))

    def text(self, accept: str) -> tuple[bytes, str]:
        """All of them, and the content type, as a reader's ``Accept`` asks for."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind


class _Build(Collector):
    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("tracee_build_info", "Which tracee this is.", labels=["version"])
        info.add_metric([_core.__version__], 1)
        yield info


class _OfTracer(Collector):
    def __init__(self, tracer: _core.Tracer) -> None:
        self._tracer = tracer

    def collect(self) -> Iterator[Metric]:
        counters = self._tracer.counters()
        for key, (name, about) in _COUNTERS.items():
            if key in counters:
                yield CounterMetricFamily(f"tracee_{name}", about, counters[key])
        for key, (name, about) in _GAUGES.items():
            if key in counters:
                yield GaugeMetricFamily(f"tracee_{name}", about, counters[key])
        yield from _of_statistics(self._tracer.statistics())
        yield from _of_sinks()


class _OfSignatures(Collector):
    def __init__(self, counters: Callable[[], Signatures]) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        known = self._counters()
        for key, (name, about) in _OF_SIGNATURES.items():
            values = {signature: counters[key] for signature, counters in known.items() if key in counters}
            yield _by_label(f"tracee_signature_{name}", about, "signature", values)


def _of_statistics(known: Mapping[str, Any]) -> Iterator[Metric]:
    yield _by_label("tracee_events", "Events written or sent, by name.", "event", known["eventsByName"])
    yield _by_label("tracee_lost_events", "Events lost, by name.", "event", known["lostByName"])
    yield _by_label("tracee_cpu_seconds", "CPU time by stage.", "stage", known["cpuSeconds"])
    for key, about in _OF_PROGRAMS.items():
        programs = {name: values[key] for name, values in known["programs"].items()}
        yield _by_label(f"tracee_program_{key}", about, "program", programs)
    queues = GaugeMetricFamily("tracee_output_queued_blocks", "Blocks that wait for an output.", labels=["output"])
    for output, values in known["outputs"].items():
        queues.add_metric([output], values["queuedBlocks"])
    yield queues


def _by_label(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    counter = CounterMetricFamily(name, about, labels=[label])
    for value, count in values.items():
        counter.add_metric([value], count)
    return counter


def _of_sinks() -> Iterator[Metric]:
    if "tracee.sinks" not in sys.modules:
        return
    from tracee.sinks import counters

    fare: dict[str, Counters] = counters()
    for key, about in _OF_SINKS.items():
        counter = CounterMetricFamily(f"tracee_sink_{key}", about, labels=["sink"])
        for sink, values in fare.items():
            counter.add_metric([sink], getattr(values, key))
        yield counter
    for key, (name, about) in _QUEUES.items():
        gauge = GaugeMetricFamily(f"tracee_sink_{name}", about, labels=["sink"])
        for sink, values in fare.items():
            gauge.add_metric([sink], getattr(values, key))
        yield gauge
