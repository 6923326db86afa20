"""What this machine allows, and so what tracee sees on it and what it misses."""

from __future__ import annotations

from tracee.doctor.machine import Machine, look
from tracee.doctor.report import EventReport, Report, examine

__all__ = ["EventReport", "Machine", "Report", "examine", "look"]
