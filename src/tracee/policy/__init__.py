"""What is to be traced: text and flags become a plan, which the core compiles."""

from tracee.documents.problem import Problem
from tracee.policy.plan import Plan, Policy, Rule, make_plan, plan_from_flags, policy_from_flags
from tracee.policy.predicate import Predicate
from tracee.policy.remarks import remarks
from tracee.policy.sources import plan_from

__all__ = [
    "Plan",
    "Policy",
    "Predicate",
    "Problem",
    "Rule",
    "make_plan",
    "plan_from",
    "plan_from_flags",
    "policy_from_flags",
    "remarks",
]
