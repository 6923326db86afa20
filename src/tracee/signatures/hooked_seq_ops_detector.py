"""What prints a table of sockets was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class HookedSeqOpsDetector(Signature):
    """As hooked_seq_ops tells it."""

    metadata = Metadata(
        id="DRV-003",
        name="Hooked Seq Ops",
        event_name="hooked_seq_ops_detector",
        description="What prints a table of sockets in /proc/net is not the kernel's own. Rootkits replace it "
        "to hide connections from whoever asks for them, such as netstat.",
        severity=Severity.CRITICAL,
        category="defense-evasion",
        technique_id="T1014",
        technique="Rootkit",
        tags=("linux",),
    )
    selected = (Selected("hooked_seq_ops"),)

    def on_event(self, event: Event) -> None:
        self.found(event, hooked_seq_ops=event.args["hooked_seq_ops"])
