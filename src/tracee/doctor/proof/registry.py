"""What there is to do: deeds, found by being written; and events of which none can be done, with why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tracee.doctor.proof.calls import Caller
    from tracee.doctor.proof.place import Place
    from tracee.doctor.proof.ring import Ring

CALL = "call"
THREAD = "thread"
INT80 = "int 0x80"
"""As a 32-bit program calls: by its gate and numbers, which 64-bit code may use too."""
CALLS = (CALL, THREAD, INT80)
RING = "io_uring"
RING_WORKER = "io_uring, by a worker"
RING_POLLED = "io_uring, polled by the kernel"
RINGS = (RING, RING_WORKER, RING_POLLED)

Expected = dict[str, Any]
"""What the event must tell: arguments by name, and ``retval``. Those that an event lacks are not looked for in it."""


class Deed(NamedTuple):
    """One thing that is done, in one manner, and the event that must tell it."""

    event: str
    name: str
    variant: str
    """The manner: one of ``CALLS`` or ``RINGS``."""
    act: Callable[[Place, Any], Expected]
    """Does it, given its place and what makes its calls or requests (:func:`tracee.doctor.proof.doer.tool`)."""
    misses: tuple[str, ...]
    """Words by which a way says that it does not see this; part of its ``misses``."""
    alone: bool
    """It must not be done but in namespaces of its own."""

    @property
    def label(self) -> str:
        """For a person: ``openat2``, ``openat2 by int 0x80``."""
        return self.name if self.variant == CALL else f"{self.name} by {self.variant}"


_deeds: list[Deed] = []
_unproven: dict[str, str] = {}


def deed(
    *events: str, by: Iterable[str] = CALLS, misses: str | tuple[str, ...] = (), alone: bool = False
) -> Callable[[Callable[[Place, Caller], Expected]], Callable[[Place, Caller], Expected]]:
    """Registers a function as a deed that each of the events must tell, once for each manner of calling.

    Args:
        events: their names.
        by: the manners.
        misses: words, one of which a way's ``misses`` has where it does not see this deed.
        alone: in namespaces of its own, or not at all.
    """

    def register(act: Callable[[Place, Caller], Expected]) -> Callable[[Place, Caller], Expected]:
        _add(act, events, by, misses, alone)
        return act

    return register


def ring_deed(
    *events: str, by: Iterable[str] = (RING,), misses: str | tuple[str, ...] = "io_uring", alone: bool = False
) -> Callable[[Callable[[Place, Ring], Expected]], Callable[[Place, Ring], Expected]]:
    """As :func:`deed`, for what an io_uring is asked to do."""

    def register(act: Callable[[Place, Ring], Expected]) -> Callable[[Place, Ring], Expected]:
        _add(act, events, by, misses, alone)
        return act

    return register


def _add(
    act: Callable[[Place, Any], Expected],
    events: Iterable[str],
    by: Iterable[str],
    misses: str | tuple[str, ...],
    alone: bool,
) -> None:
    words = (misses,) if isinstance(misses, str) else misses
    # a function cannot be called `open` where it opens files itself
    name = act.__name__.rstrip("_")
    _deeds.extend(Deed(event, name, variant, act, words, alone) for event in events for variant in by)


def unproven(why: str, *events: str) -> None:
    """Says why nothing is done to prove these events."""
    _unproven.update(dict.fromkeys(events, why))


@cache
def _import_all() -> None:
    from tracee.doctor.proof import deeds

    for module in iter_modules(deeds.__path__):
        import_module(f"{deeds.__name__}.{module.name}")


def all_deeds() -> list[Deed]:
    """Every deed of every module in ``deeds``."""
    _import_all()
    return list(_deeds)


def all_unproven() -> dict[str, str]:
    """Events that no deed is for, and why."""
    _import_all()
    return dict(_unproven)
