"""A process, or a container, that several signatures found something of: findings are events for signatures, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signal, SignalKind, Signature

if TYPE_CHECKING:
    from tracee._core import Event

OF_INTEREST = ("fileless_execution", "ld_preload", "dropped_executable", "stdio_over_socket", "hidden_file_created")
MANY = 3


class SeveralFindings(Signature):
    """Counts different findings by container, and forgets a container when it has gone."""

    metadata = Metadata(
        id="CUSTOM-006",
        name="Several Findings",
        event_name="several_findings",
        description=f"{MANY} different signatures found something in one container, or on the host by one process.",
        severity=Severity.CRITICAL,
        category="execution",
        fields=(Field("findings", "const char**"),),
    )
    selected = tuple(map(Selected, OF_INTEREST))
    watches_processes = True

    def __init__(self) -> None:
        self._found: dict[str | int, set[str]] = {}

    def on_event(self, event: Event) -> None:
        where = event.container.get("id") or event.host_pid
        known = self._found.setdefault(where, set())
        before = len(known)
        known.add(event.name)
        if before < len(known) == MANY:
            self.found(event, findings=sorted(known))

    def on_signal(self, signal: Signal) -> None:
        if signal.kind is SignalKind.PROCESS_GONE:
            self._found.pop(signal.pid, None)
        elif signal.kind is SignalKind.CONTAINER_GONE:
            self._found.pop(signal.container_id, None)
