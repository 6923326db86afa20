"""Something is written into the memory of another process, by ptrace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.targets import debugs_its_own

if TYPE_CHECKING:
    from tracee._core import Event


class PtraceCodeInjection(Signature):
    """PTRACE_POKETEXT or PTRACE_POKEDATA, unless an installed debugger pokes into what it has started itself."""

    metadata = Metadata(
        id="TRC-103",
        name="Code Injection Through ptrace",
        event_name="ptrace_code_injection",
        description="A process wrote into the memory of another one that it traces. So code gets into a process that "
        "nobody suspects.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1055.008",
        technique="Ptrace System Calls",
        tags=("linux", "container"),
        fields=(Field("target", "int", "the pid of the process, as its tracer sees pids"),),
    )
    selected = (Selected("ptrace", "data.request=PTRACE_POKETEXT,PTRACE_POKEDATA", "retval=0"),)

    def on_event(self, event: Event) -> None:
        target = int(event.args["pid"])
        if not debugs_its_own(event, target):
            self.found(event, target=target)
