"""Something is written into the memory of another process, by process_vm_writev."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.targets import debugs_its_own, is_itself

if TYPE_CHECKING:
    from tracee._core import Event


class ProcessVmWriteInject(Signature):
    """process_vm_writev into another process, that wrote something."""

    metadata = Metadata(
        id="TRC-1025",
        name="Code Injection Through process_vm_writev",
        event_name="process_vm_write_inject",
        description="A process wrote into the memory of another one. So code gets into a process that nobody suspects.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1055",
        technique="Process Injection",
        tags=("linux", "container"),
        fields=(Field("target", "int", "the pid of the process, as who wrote sees pids"),),
    )
    selected = (Selected("process_vm_writev", "retval>0"),)

    def on_event(self, event: Event) -> None:
        target = int(event.args["pid"])
        if not is_itself(event, target) and not debugs_its_own(event, target):
            self.found(event, target=target)
