"""A system call was replaced: by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class HookedSyscallDetector(Signature):
    """As hooked_syscall tells it."""

    metadata = Metadata(
        id="DRV-002",
        name="Hooked Syscall",
        event_name="hooked_syscall_detector",
        description="A system call leads elsewhere than to the kernel's own function: where to, and whose that is.",
        severity=Severity.CRITICAL,
        category="defense-evasion",
        technique_id="T1014",
        technique="Rootkit",
        tags=("linux",),
        fields=(
            Field("syscall", about="its name"),
            Field("address", about="where it leads"),
            Field("function", about="the symbol there"),
            Field("owner", about="the module that has the symbol"),
        ),
    )
    selected = (Selected("hooked_syscall"),)

    def on_event(self, event: Event) -> None:
        self.found(event, **{field.name: event.args[field.name] for field in self.metadata.fields})
