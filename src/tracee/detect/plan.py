"""What signatures select, as rules of a plan."""

from __future__ import annotations

from collections.abc import Iterable

from tracee.detect.known import Known, known
from tracee.events import SIGNATURES, kinds
from tracee.policy.plan import Policy, Rule
from tracee.policy.predicate import Predicate


def rules_of(signature: Known) -> Policy:
    """What a signature selects, as a policy that has its name.

    Raises:
        InputError: a filter that is none.
    """
    rules = [Rule(s.name, tuple(map(Predicate.parse, s.filters)), signature.line) for s in signature.selected]
    return Policy(signature.name, (), tuple(rules), signature.file, signature.line)


def needed_for(events: Iterable[str]) -> tuple[Policy, ...]:
    """The signatures that find any of these events, and those that find what they select."""
    to_do = [name for name in events if is_finding(name)]
    if not to_do:
        return ()
    found: dict[str, Policy] = {}
    signatures = known()
    while to_do:
        name = to_do.pop()
        if name not in found:
            found[name] = rules_of(signatures[name])
            to_do += [rule.event for rule in found[name].rules if rule.event in signatures]
    # in one order, so that a plan that says the same is the same
    return tuple(found[name] for name in signatures if name in found)


def is_finding(event: str) -> bool:
    """Whether a signature tells it."""
    kind = kinds().get(event)
    return kind is not None and kind.category == SIGNATURES
