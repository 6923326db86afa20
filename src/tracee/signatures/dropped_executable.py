"""A container gets a program that its image did not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.contents import MEMORY, is_elf

if TYPE_CHECKING:
    from tracee._core import Event


class DroppedExecutable(Signature):
    """An ELF file written to a disk in a container: with write, or copied in the kernel."""

    metadata = Metadata(
        id="TRC-1022",
        name="New Executable Dropped",
        event_name="dropped_executable",
        description="A program, or a library, was written in a container. What a container needs stands in its image; "
        "what is added at run time is what an attacker brought.",
        severity=Severity.MEDIUM,
        category="defense-evasion",
        technique_id="T1036",
        technique="Masquerading",
        tags=("linux", "container"),
        fields=(Field("path", about="of the file that was written"),),
    )
    selected = (Selected("magic_write", "container"),)

    def on_event(self, event: Event) -> None:
        path = str(event.args["pathname"] or "")
        if path.startswith(MEMORY):
            return  # fileless_execution tells of it when it runs
        if is_elf(event, path, event.args["bytes"], event.args["inode"]):
            self.found(event, path=path)
