"""What is to be traced: text and flags become a plan, which the core compiles."""

from tracee.policy.plan import Plan, Policy, Rule, plan_from_flags
from tracee.policy.predicate import Predicate

__all__ = ["Plan", "Policy", "Predicate", "Rule", "plan_from_flags"]
