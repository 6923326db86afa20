"""Proof of what tracee sees on this machine: things are done, in every manner, and looked for in the trace."""

from __future__ import annotations

from tracee.doctor.proof.doer import Doer
from tracee.doctor.proof.judge import SEEN, SKIPPED, UNSEEN, Proof
from tracee.doctor.proof.prove import MARKER, prove
from tracee.doctor.proof.registry import all_deeds, all_unproven

__all__ = ["MARKER", "SEEN", "SKIPPED", "UNSEEN", "Doer", "Proof", "all_deeds", "all_unproven", "prove"]
