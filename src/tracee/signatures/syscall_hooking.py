"""A system call was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class SyscallHooking(Signature):
    """An entry of the table of system calls leads elsewhere."""

    metadata = Metadata(
        id="TRC-1030",
        name="System Call Table Hooking",
        event_name="syscall_hooking",
        description="A system call leads elsewhere than to the kernel's own function. Rootkits replace calls "
        "to hide files, processes and connections, and to give away privileges.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1014",
        technique="Rootkit",
        tags=("linux",),
        fields=(Field("syscall", about="its name"),),
    )
    selected = (Selected("hooked_syscall"),)

    def on_event(self, event: Event) -> None:
        self.found(event, syscall=event.args["syscall"])
