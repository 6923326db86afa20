"""The memory of another process is opened for writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.kernel_files import WRITING
from tracee.signatures.common.targets import opened_memory_of

if TYPE_CHECKING:
    from tracee._core import Event


class ProcMemCodeInjection(Signature):
    """mem of another process, opened for writing, wherever proc is mounted."""

    metadata = Metadata(
        id="TRC-1024",
        name="Code Injection Through /proc/PID/mem",
        event_name="proc_mem_code_injection",
        description="A process opened the memory of another one for writing. So code gets into a process that nobody "
        "suspects.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1055.009",
        technique="Proc Memory",
        tags=("linux", "container"),
        fields=(Field("target", "int", "the pid of the process, as who opened it sees pids"),),
    )
    selected = (Selected("security_file_open", "data.fs_type=PROC_SUPER_MAGIC", "data.file_name=mem", WRITING),)

    def on_event(self, event: Event) -> None:
        target = opened_memory_of(event)
        if target is not None:
            self.found(event, target=target)
