"""The plan: policies, each with a scope and rules. The core compiles it (crates/core/src/plan.rs)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from tracee import _core
from tracee.documents.problem import Problem
from tracee.errors import InputError
from tracee.events import SIGNATURES, kinds, nearest_hint
from tracee.policy.paths import Paths
from tracee.policy.predicate import Predicate

MOST_POLICIES = 64
_TEXTS = ("const char*", "char*", "const struct sockaddr*", "struct sockaddr*")
"""C types of arguments that may hold a path; a socket's address may be one."""


class Rule(NamedTuple):
    """An event, and what must hold of it."""

    event: str
    filters: tuple[Predicate, ...] = ()
    line: int = 0


class Policy(NamedTuple):
    """Rules for the tasks of a scope. The policy that flags make has no name and no file."""

    name: str
    scope: tuple[Predicate, ...]
    rules: tuple[Rule, ...]
    file: str = ""
    line: int = 0
    written: tuple[str, ...] = ()
    """What each of its rules names, as it was written: an event, or a set of them."""


class Plan(NamedTuple):
    """All policies at once."""

    policies: tuple[Policy, ...]
    capture_packets: bool = False
    """The packets of all tasks in the policies' scopes are kept."""
    signatures: tuple[Policy, ...] = ()
    """Those that look at events: each has the name of what it finds, and its rules are what it selects."""

    def to_json(self) -> str:
        """The plan as the core reads it."""

        def predicate(p: Predicate) -> dict[str, object]:
            return {"field": p.field, "op": p.op, "values": [*p.values, *p.also]}

        def rules(policy: Policy) -> list[dict[str, object]]:
            return [{"event": rule.event, "filters": [predicate(p) for p in rule.filters]} for rule in policy.rules]

        policies = [
            {"name": policy.name, "scope": [predicate(p) for p in policy.scope], "rules": rules(policy)}
            for policy in self.policies
        ]
        plan: dict[str, object] = {"policies": policies}
        if self.capture_packets:
            plan["capture_packets"] = True
        if self.signatures:
            plan["signatures"] = [{"event": one.name, "selected": rules(one)} for one in self.signatures]
        return json.dumps(plan)


def make_plan(policies: Sequence[Policy], problems: Iterable[Problem] = ()) -> Plan:
    """The plan of these policies, their paths looked up on this host.

    Args:
        policies: at most ``MOST_POLICIES``, unless there are problems.
        problems: what is known to be wrong already.

    Raises:
        InputError: all problems, those included that the core finds.
    """
    paths = Paths()
    widened = [_widen(policy, paths) for policy in policies]
    found = list(problems)
    for start in range(0, len(widened), MOST_POLICIES):
        found += _check(widened[start : start + MOST_POLICIES])
    if found:
        found.sort(key=lambda problem: (not problem.file, problem.file, problem.line))
        raise InputError(*dict.fromkeys(map(str, found)))
    return Plan(tuple(widened), signatures=_signatures(widened, paths))


def _signatures(policies: Sequence[Policy], paths: Paths) -> tuple[Policy, ...]:
    """Those that find what the policies name."""
    named = {rule.event for policy in policies for rule in policy.rules}
    if not any(kinds()[name].category == SIGNATURES for name in named):
        return ()
    # a start without them is sooner without what reads them
    from tracee.detect.plan import needed_for

    return tuple(_widen(one, paths) for one in needed_for(named))


def plan_from_flags(events: Iterable[str], scope: Sequence[str] = (), filters: Sequence[str] = ()) -> Plan:
    """One policy without a name: the events, all in that scope; each filter holds for every event that has its field.

    Raises:
        InputError: a scope or filter that cannot be, with the nearest that can.
    """
    return make_plan([policy_from_flags(events, scope, filters)])


def policy_from_flags(events: Iterable[str], scope: Sequence[str] = (), filters: Sequence[str] = ()) -> Policy:
    """The policy alone, not yet checked by the core.

    Raises:
        InputError: a scope or filter that is none, or that holds for no event.
    """
    rules: dict[str, list[Predicate]] = {name: [] for name in events}
    for text in filters:
        predicate = _from_flag("--filter", text)
        having = with_field(predicate.field, rules)
        if not having:
            hint = nearest_field_hint(predicate.field, rules)
            raise InputError(f'--filter: no selected event has the field "{predicate.field}"{hint}')
        for name in having:
            rules[name].append(predicate)
    return Policy(
        name="",
        scope=tuple(_from_flag("--scope", text) for text in scope),
        rules=tuple(Rule(name, tuple(predicates)) for name, predicates in rules.items()),
    )


def _from_flag(flag: str, text: str) -> Predicate:
    try:
        return Predicate.parse(text)
    except InputError as error:
        raise InputError(f"{flag} {error}") from None


def with_field(field: str, events: Iterable[str]) -> list[str]:
    """Those of the events that have the field: an argument, or what every event tells of itself and its task."""
    if field in _COMMON:
        return list(events)
    return [name for name in events if any(fnmatchcase(field, known) for known in _own_fields(name))]


def nearest_field_hint(field: str, events: Iterable[str]) -> str:
    """The field of one of the events that looks most like it, as :func:`nearest_hint` puts it."""
    return nearest_hint(field, sorted(_COMMON.union(*map(_own_fields, events))))


_COMMON = {"retval", *_core.SCOPE_KEYS}


def _own_fields(event: str) -> list[str]:
    return [field for arg in kinds()[event].args for field in arg.fields]


def _check(policies: Sequence[Policy]) -> list[Problem]:
    """What the core finds wrong with them, told in terms of what the user wrote."""
    found: dict[tuple[object, ...], Problem] = {}
    for number, rule, place, message in _core.check(Plan(tuple(policies)).to_json()):
        policy = policies[number]
        given = policy.scope if rule is None else policy.rules[rule].filters
        predicate = None if place is None else given[place]
        if policy.file:
            line = _line(policy, rule, predicate)
        else:
            line = 0
            flag = "--scope" if rule is None else "--filter"
            message = f'{flag} "{predicate}": {message}' if predicate else f"{flag}: {message}"
        # a filter of many events is wrong once
        about = (number, predicate._replace(also=()) if predicate else message)
        found.setdefault(about, Problem(policy.file, line, message))
    return list(found.values())


def _line(policy: Policy, rule: int | None, predicate: Predicate | None) -> int:
    if predicate:
        return predicate.line
    if rule is not None:
        return policy.rules[rule].line
    # the scope as a whole
    return policy.scope[0].line if policy.scope else policy.line


def _widen(policy: Policy, paths: Paths) -> Policy:
    """The policy with all that its paths stand for."""

    def widen(predicate: Predicate, is_path: bool) -> Predicate:
        if not is_path or predicate.op not in ("=", "!="):
            return predicate
        also = [other for value in predicate.values for other in paths.others(value)]
        return predicate._replace(also=tuple(dict.fromkeys(also)))

    def of_rule(rule: Rule) -> Rule:
        if not rule.filters:
            return rule
        kind = kinds().get(rule.event)
        holders = {f"data.{arg.name}" for arg in kind.args if arg.type in _TEXTS} if kind else set()
        filters = (widen(p, p.field == "executable" or p.field in holders) for p in rule.filters)
        return rule._replace(filters=tuple(filters))

    return policy._replace(
        scope=tuple(widen(p, p.field == "executable") for p in policy.scope),
        rules=tuple(map(of_rule, policy.rules)),
    )
