"""Every event, the way it is taken here, and what that way misses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tracee import _core
from tracee.doctor.machine import Machine, look
from tracee.errors import KernelRefusedError, PermissionRefusedError
from tracee.events import ALL, catalogue, select
from tracee.kernel import KernelSettings, load
from tracee.policy import plan_from_flags

if TYPE_CHECKING:
    from tracee.doctor.proof import Doer, Proof


class EventReport(NamedTuple):
    """How one kind of event is taken here."""

    name: str
    category: str
    way: str | None
    """Its hooks; ``None``: it cannot be had."""
    misses: str
    """What is not seen, or not known, this way; empty: nothing."""
    why: str
    """Why better ways, or all, cannot be had; empty where the best is in use."""


class Report(NamedTuple):
    """What is to be told."""

    machine: Machine
    events: list[EventReport]
    trouble: str
    """Why nothing can be traced, and what to do about it; empty: it can."""
    proof: list[Proof] | None = None
    """What was done to prove it; ``None``: nothing was asked for."""

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON objects, for a report of a defect."""
        said: dict[str, Any] = {
            "version": _core.__version__,
            "machine": self.machine._asdict(),
            "trouble": self.trouble,
            "events": [event._asdict() for event in self.events],
        }
        if self.proof is not None:
            said["proof"] = [proof._asdict() for proof in self.proof]
        return said


def examine(settings: KernelSettings, doer: Doer | None = None) -> Report:
    """Loads and attaches everything, as a trace of all events would, and tells how that went.

    Args:
        settings: as for that trace.
        doer: does deeds, to see whether they are told; ``None``: nothing is proven.
    """
    machine = look(settings.perf_buffer_size)
    try:
        tracer = load(plan_from_flags(select([ALL]), doer.scope if doer else ()), settings)
    except KernelRefusedError as error:
        return Report(machine, [], f"{error}; {_remedy(machine, error)}")
    try:
        events = list(_events(tracer))
        if doer is None:
            return Report(machine, events, "")
        from tracee.doctor.proof import prove

        return Report(machine, events, "", prove(tracer, doer, tracer.ways))
    finally:
        tracer.finish()


def _events(tracer: _core.Tracer) -> Iterator[EventReport]:
    for name, kind in catalogue().items():
        if name in tracer.ways:
            way, misses, why = tracer.ways[name]
            yield EventReport(name, kind.category, way, misses, why)
        elif name in tracer.unavailable:
            yield EventReport(name, kind.category, None, "all of it", tracer.unavailable[name])


def _remedy(machine: Machine, error: KernelRefusedError) -> str:
    if isinstance(error, PermissionRefusedError):
        return "run tracee as root, or with CAP_BPF and CAP_PERFMON (before kernel 5.8: CAP_SYS_ADMIN)"
    if not machine.btf:
        return "the kernel must describe its types: one built with CONFIG_DEBUG_INFO_BTF=y"
    return "a newer kernel may do; --log debug tells more"
