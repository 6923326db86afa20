"""Whether what was done was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tracee.doctor.proof.doer import Done

SEEN, UNSEEN, SKIPPED = "seen", "unseen", "skipped"
_ALL_OF_IT = "all of it"


class Told(NamedTuple):
    """An event, as far as it matters here."""

    arguments: dict[str, Any]
    return_value: int


class Proof(NamedTuple):
    """What is known of one deed."""

    event: str
    deed: str
    variant: str
    """The manner in which it was done: ``call``, ``thread``, ``int 0x80``, ``io_uring``, ..."""
    outcome: str
    """``seen``, ``unseen`` or ``skipped``."""
    why: str
    """Why it was not seen, or not done."""
    way: str | None
    """How the event is taken here; ``None``: it cannot be had."""
    missing: list[str]
    """Arguments that were told as unknown, though the deed knows them."""
    stated: bool
    """Of what was not seen: the way says that it does not see it."""

    @property
    def label(self) -> str:
        """For a person: ``openat2``, ``openat2 by int 0x80``."""
        return self.deed if self.variant == "call" else f"{self.deed} by {self.variant}"


Way = tuple[str, str, str]
"""How an event is taken, what that misses, and why there is no better."""


def judge(
    done: Done,
    told: Sequence[Told],
    way: Way | None,
    fields: Iterable[str],
    unowned: Mapping[str, str] | None = None,
) -> Proof:
    """Looks for the deed among the events of its kind that came while it was done.

    Args:
        done: the deed, and what must be told of it.
        told: the events.
        way: how the event is taken; ``None``: not at all.
        fields: the names of the event's arguments.
        unowned: manners in which what is done is told of somebody else here, and why.
    """
    deed = done.deed

    def proof(outcome: str, why: str = "", *, missing: Sequence[str] = (), stated: bool = False) -> Proof:
        taken = way[0] if way else None
        return Proof(deed.event, deed.name, deed.variant, outcome, why, taken, list(missing), stated)

    if done.expected is None:
        return proof(SKIPPED, done.why)
    known = {*fields, "retval"}
    expected = {name: value for name, value in done.expected.items() if name in known}
    if not expected:
        return proof(SKIPPED, "the deed is at fault: it knows nothing that this event tells")
    compared = [_compare(expected, event) for event in told]
    matching = sorted((missing for missing, different in compared if not different), key=len)
    if matching and len(matching[0]) < len(expected):
        return proof(SEEN, missing=matching[0])
    if way is None:
        return proof(UNSEEN, "the event cannot be had here", stated=True)
    if any(word in way[1] for word in deed.misses) or way[1] == _ALL_OF_IT:
        return proof(UNSEEN, f"as the way says: it misses {way[1]}", stated=True)
    if unowned and deed.variant in unowned:
        return proof(UNSEEN, unowned[deed.variant], stated=True)
    nearest = min((different for _, different in compared if different), key=len, default=None)
    return proof(UNSEEN, f"it was told, but {', '.join(nearest)}" if nearest else "it was not told")


def _compare(expected: dict[str, Any], event: Told) -> tuple[list[str], list[str]]:
    """The arguments that the event does not know, and in words those that differ."""
    told = {**event.arguments, "retval": event.return_value}
    missing = [name for name in expected if told.get(name) is None]
    different = [
        f"{name} is {told[name]!r} rather than {value!r}"
        for name, value in expected.items()
        if told.get(name) is not None and not _same(value, told[name])
    ]
    return missing, different


def _same(expected: object, told: object) -> bool:
    if isinstance(expected, dict):
        return isinstance(told, dict) and all(name in told and _same(v, told[name]) for name, v in expected.items())
    if isinstance(expected, int) and isinstance(told, str):
        return told == hex(expected)
    return bool(expected == told)
