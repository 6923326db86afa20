"""A program has itself traced, so that no debugger can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature
from tracee.signatures.common.programs import runs_installed
from tracee.signatures.common.targets import DEBUGGERS

if TYPE_CHECKING:
    from tracee._core import Event


class AntiDebugging(Signature):
    """PTRACE_TRACEME, unless it is an installed debugger's child that is about to begin the program to be debugged.

    A call that fails counts: that it fails is how a program learns that it is being debugged.
    """

    metadata = Metadata(
        id="TRC-102",
        name="Anti-Debugging",
        event_name="anti_debugging",
        description="A program asked to be traced by its parent. A process has one tracer, so no debugger can look "
        "into it from then on; where there is one already, the program learns of it.",
        severity=Severity.LOW,
        category="defense-evasion",
        technique_id="T1622",
        technique="Debugger Evasion",
        tags=("linux", "container"),
    )
    selected = (Selected("ptrace", "data.request=PTRACE_TRACEME"),)

    def on_event(self, event: Event) -> None:
        if not runs_installed(event, DEBUGGERS):
            self.found(event)
