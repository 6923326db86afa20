"""Code gets into another process, by whatever way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event

WAYS = {
    "ptrace_code_injection": "ptrace",
    "process_vm_write_inject": "process_vm_writev",
    "proc_mem_code_injection": "/proc/PID/mem",
}
"""What finds it, and what it is called here."""


class CodeInjection(Signature):
    """One name for all findings that something was written into the memory of another process."""

    metadata = Metadata(
        id="TRC-1102",
        name="Code Injection",
        event_name="code_injection",
        description="A process wrote into the memory of another one, or opened it for that.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1055",
        technique="Process Injection",
        tags=("linux", "container"),
        fields=(
            Field("way", about="ptrace, process_vm_writev, or /proc/PID/mem"),
            Field("target", "int", "the pid of the process, as who wrote sees pids"),
        ),
    )
    selected = tuple(Selected(name) for name in WAYS)

    def on_event(self, event: Event) -> None:
        self.found(event, way=WAYS[event.name], target=event.args["target"])
