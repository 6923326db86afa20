"""The memory of another process is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.kernel_files import READING
from tracee.signatures.common.targets import opened_memory_of

if TYPE_CHECKING:
    from tracee._core import Event


class ProcMemAccess(Signature):
    """mem of another process, opened for reading, wherever proc is mounted."""

    metadata = Metadata(
        id="TRC-1023",
        name="Process Memory Access",
        event_name="proc_mem_access",
        description="A process opened the memory of another one for reading. Passwords and keys stand there in plain "
        "text.",
        severity=Severity.HIGH,
        category="credential-access",
        technique_id="T1003.007",
        technique="Proc Filesystem",
        tags=("linux", "container"),
        fields=(Field("target", "int", "the pid of the process, as who opened it sees pids"),),
    )
    selected = (Selected("security_file_open", "data.fs_type=PROC_SUPER_MAGIC", "data.file_name=mem", READING),)

    def on_event(self, event: Event) -> None:
        target = opened_memory_of(event)
        if target is not None:
            self.found(event, target=target)
