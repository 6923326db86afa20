"""A container reads the host's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Severity, Signature
from tracee.signatures.common.kernel_files import READING, opened_in_container

if TYPE_CHECKING:
    from tracee._core import Event


class ProcKcoreRead(Signature):
    """kcore of any /proc, opened for reading in a container."""

    metadata = Metadata(
        id="TRC-1021",
        name="Kcore Memory File Read",
        event_name="proc_kcore_read",
        description="A container opened /proc/kcore for reading. It is all of the host's memory, with the "
        "secrets of every process there, and what is needed to make ready for an escape.",
        severity=Severity.MEDIUM,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
    )
    selected = (opened_in_container("PROC_SUPER_MAGIC", "kcore", READING),)

    def on_event(self, event: Event) -> None:
        self.found(event)
