"""The plan: policies, each with a scope and rules. The core compiles it (crates/core/src/plan.rs)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracee import _core
from tracee.errors import InputError
from tracee.events import kinds, nearest_hint
from tracee.policy.predicate import Predicate


class Rule(NamedTuple):
    """An event, and what must hold of it."""

    event: str
    filters: tuple[Predicate, ...] = ()


class Policy(NamedTuple):
    """Rules for the tasks of a scope. The policy that flags make has no name."""

    name: str
    scope: tuple[Predicate, ...]
    rules: tuple[Rule, ...]


class Plan(NamedTuple):
    """All policies at once."""

    policies: tuple[Policy, ...]

    def to_json(self) -> str:
        """The plan as the core reads it."""

        def predicate(p: Predicate) -> dict[str, object]:
            return {"field": p.field, "op": p.op, "values": p.values}

        policies = [
            {
                "name": policy.name,
                "scope": [predicate(p) for p in policy.scope],
                "rules": [{"event": r.event, "filters": [predicate(p) for p in r.filters]} for r in policy.rules],
            }
            for policy in self.policies
        ]
        return json.dumps({"policies": policies})


def plan_from_flags(events: Iterable[str], scope: Sequence[str] = (), filters: Sequence[str] = ()) -> Plan:
    """One policy without a name: the events, all in that scope; each filter holds for every event that has its field.

    Raises:
        InputError: a scope or filter that cannot be, with the nearest that can.
    """
    rules: dict[str, list[Predicate]] = {name: [] for name in events}
    for text in filters:
        predicate = Predicate.parse(text, "--filter")
        for name in _having(predicate.field, rules):
            rules[name].append(predicate)
    policy = Policy(
        name="",
        scope=tuple(Predicate.parse(text, "--scope") for text in scope),
        rules=tuple(Rule(name, tuple(predicates)) for name, predicates in rules.items()),
    )
    plan = Plan((policy,))
    for _, rule, place, message in _core.check(plan.to_json()):
        if place is None:
            raise InputError(f"--scope: {message}")
        flag, given = ("--scope", policy.scope) if rule is None else ("--filter", policy.rules[rule].filters)
        raise InputError(f'{flag} "{given[place]}": {message}')
    return plan


def _having(field: str, events: Iterable[str]) -> list[str]:
    """Those of the events that have the field."""
    if field == "retval":
        return list(events)
    fields = {name: {f"data.{arg.name}" for arg in kinds()[name].args} for name in events}
    having = [name for name, own in fields.items() if field in own]
    if not having:
        known = sorted(set().union(*fields.values()) | {"retval"})
        raise InputError(f'--filter: no selected event has the field "{field}"{nearest_hint(field, known)}')
    return having
