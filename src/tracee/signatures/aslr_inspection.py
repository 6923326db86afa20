"""Somebody looks up whether addresses are random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature
from tracee.signatures.common.kernel_files import READING

if TYPE_CHECKING:
    from tracee._core import Event


class AslrInspection(Signature):
    """The kernel's setting randomize_va_space, opened for reading, wherever proc is mounted."""

    metadata = Metadata(
        id="TRC-109",
        name="ASLR Inspection",
        event_name="aslr_inspection",
        description="The setting of address space layout randomization was read. Exploits that need to know addresses "
        "begin so.",
        severity=Severity.INFO,
        category="privilege-escalation",
        technique_id="T1068",
        technique="Exploitation for Privilege Escalation",
        tags=("linux", "container"),
    )
    selected = (
        Selected("security_file_open", "data.fs_type=PROC_SUPER_MAGIC", "data.file_name=randomize_va_space", READING),
    )

    def on_event(self, event: Event) -> None:
        self.found(event)
