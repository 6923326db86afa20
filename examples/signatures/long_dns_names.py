"""Names that carry data out: a process that asks DNS for many long names below one domain."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event

LONG = 40
"""Characters of a label that no person would type."""
MANY = 10
MOST_KEPT = 10_000


class LongDnsNames(Signature):
    """Keeps what it counts in bounds: a stranger chooses the names."""

    metadata = Metadata(
        id="CUSTOM-005",
        name="Long DNS Names",
        event_name="long_dns_names",
        description=f"A process asked for {MANY} long names of one domain: DNS may carry its data.",
        severity=Severity.MEDIUM,
        category="exfiltration",
        technique_id="T1048.003",
        technique="Exfiltration Over Alternative Protocol",
        fields=(Field("domain"), Field("last_name"), Field("count", "int")),
    )
    selected = (Selected("net_packet_dns_request"),)

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[int, str], int] = OrderedDict()

    def on_event(self, event: Event) -> None:
        for question in event.args["dns_questions"] or ():
            name = question["query"]
            labels = name.split(".")
            if max(map(len, labels)) >= LONG:
                self._count(event, ".".join(labels[-2:]), name)

    def _count(self, event: Event, domain: str, name: str) -> None:
        key = (event.host_pid, domain)
        self._counts[key] = count = self._counts.pop(key, 0) + 1
        if len(self._counts) > MOST_KEPT:
            self._counts.popitem(last=False)
        if count == MANY:
            self.found(event, domain=domain, last_name=name, count=count)
