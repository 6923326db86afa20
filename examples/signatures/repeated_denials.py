"""A process that is denied files again and again: what is kept of a process goes when it has gone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signal, SignalKind, Signature

if TYPE_CHECKING:
    from tracee._core import Event

MANY = 20


class RepeatedDenials(Signature):
    """Counts refused opens by process, and tells of each process once."""

    metadata = Metadata(
        id="CUSTOM-003",
        name="Repeated Denials",
        event_name="repeated_denials",
        description=f"A process was denied {MANY} files: it searches for what it may read.",
        severity=Severity.LOW,
        category="discovery",
        technique_id="T1083",
        technique="File and Directory Discovery",
        fields=(Field("last_path"), Field("argv", "const char**", "of the process, where it is known")),
    )
    selected = (Selected("openat", "retval=EACCES,EPERM"), Selected("openat2", "retval=EACCES,EPERM"))
    watches_processes = True

    def __init__(self) -> None:
        self._denied: Counter[int] = Counter()

    def on_event(self, event: Event) -> None:
        self._denied[event.host_pid] += 1
        if self._denied[event.host_pid] == MANY:
            process = self.ctx.processes.get(event.host_pid)
            argv = process.argv if process else None
            self.found(event, last_path=event.args["pathname"], argv=argv)

    def on_signal(self, signal: Signal) -> None:
        if signal.kind is SignalKind.PROCESS_GONE:
            self._denied.pop(signal.pid, None)
