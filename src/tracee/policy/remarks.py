"""What is odd in a plan, though nothing in it is wrong: events that tell nothing before filters say of what."""

from __future__ import annotations

from tracee.policy.plan import Plan

_NEEDED = {
    "print_mem_dump": ("data.symbol_name", "data.address"),
    "symbols_loaded": ("data.symbols",),
}
"""By event: the fields of which one must be named by a filter with ``=``."""


def remarks(plan: Plan) -> dict[str, str]:
    """By event: a line that says what it lacks in order to tell anything."""
    found = {}
    for policy in plan.policies:
        for rule in policy.rules:
            needed = _NEEDED.get(rule.event, ())
            named = {predicate.field for predicate in rule.filters if predicate.op == "="}
            if needed and named.isdisjoint(needed):
                fields = " or ".join(f"{field}=..." for field in needed)
                found[rule.event] = f"{rule.event} tells nothing without a filter that says of what: {fields}"
    return found
