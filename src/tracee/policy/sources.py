"""All that says what is to be traced: events, scopes and filters, and policy files beside them."""

from __future__ import annotations

from collections.abc import Sequence

from tracee.events import select
from tracee.policy.plan import Plan, Policy, make_plan, policy_from_flags


def plan_from(
    events: Sequence[str], scope: Sequence[str] = (), filters: Sequence[str] = (), policies: Sequence[str] = ()
) -> Plan:
    """The plan of a policy without a name, and of those in files.

    Args:
        events: what the policy without a name selects, as ``--events`` takes it. Empty: there is none, only files.
        scope: of that policy, as ``--scope`` takes it.
        filters: of that policy, as ``--filter`` takes them.
        policies: files, and folders of them. They are read each time.

    Raises:
        InputError: all that is wrong with them.
    """

    def without_name() -> Policy:
        return policy_from_flags(select(events), scope, filters)._replace(written=tuple(events))

    if not policies:
        return make_plan([without_name()])
    # a start without policies is sooner without what reads them
    from tracee.policy.reader import plan_from_files

    return plan_from_files(policies, without_name if events else None)
