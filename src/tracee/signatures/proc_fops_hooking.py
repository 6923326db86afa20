"""What lists /proc was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class ProcFopsHooking(Signature):
    """The kernel's functions for /proc lead elsewhere."""

    metadata = Metadata(
        id="TRC-1020",
        name="File Operations Hooking on Proc Filesystem",
        event_name="proc_fops_hooking",
        description="The functions that list /proc are not the kernel's own. Rootkits replace them to hide "
        "processes from whoever asks for them, such as ps.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1014",
        technique="Rootkit",
        tags=("linux",),
    )
    selected = (Selected("hooked_proc_fops"),)

    def on_event(self, event: Event) -> None:
        self.found(event, hooked_fops_pointers=event.args["hooked_fops_pointers"])
