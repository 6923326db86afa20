"""A container gives the kernel orders that are meant for who sits at the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Severity, Signature
from tracee.signatures.common.kernel_files import WRITING, opened_in_container

if TYPE_CHECKING:
    from tracee._core import Event


class SystemRequestKeyModification(Signature):
    """sysrq or sysrq-trigger of any /proc, opened for writing in a container."""

    metadata = Metadata(
        id="TRC-1031",
        name="System Request Key Configuration Modification",
        event_name="system_request_key_mod",
        description="A container opened sysrq or sysrq-trigger for writing. By them the kernel is told to "
        "reboot, to crash, to kill processes or to show its memory, whatever container the order "
        "came from.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
    )
    selected = (opened_in_container("PROC_SUPER_MAGIC", "sysrq,sysrq-trigger", WRITING),)

    def on_event(self, event: Event) -> None:
        self.found(event)
