"""A container sets the program that the host runs when a process crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Severity, Signature
from tracee.signatures.common.kernel_files import WRITING, opened_in_container

if TYPE_CHECKING:
    from tracee._core import Event


class CorePatternModification(Signature):
    """core_pattern of any /proc, opened for writing in a container."""

    metadata = Metadata(
        id="TRC-1011",
        name="Core Dumps Configuration File Modification",
        event_name="core_pattern_modification",
        description="A container opened core_pattern for writing. It may name a program that the kernel runs "
        "on the host and as root whenever a process crashes: a known way out.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
    )
    selected = (opened_in_container("PROC_SUPER_MAGIC", "core_pattern", WRITING),)

    def on_event(self, event: Event) -> None:
        self.found(event)
