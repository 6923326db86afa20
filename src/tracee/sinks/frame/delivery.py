"""What can be set, and what is counted, of every sink."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """How events are put together and kept until they are delivered."""

    batch_events: int = 1000
    """At most so many events in a batch."""
    batch_bytes: int = 1 << 20
    """At most so many bytes of JSON, unless one event alone has more."""
    flush: float = 1.0
    """Seconds after its first event a batch is sent, however small."""
    queue_bytes: int = 16 << 20
    """Bytes kept in memory; what comes beyond goes to the spool."""
    drain: float = 5.0
    """Seconds to deliver what is left when tracing ends; what then is left stays in the spool."""


class SinkSettings(Protocol):
    """Settings of any sink: a NamedTuple with more fields beside these."""

    @property
    def url(self) -> str:
        """Of the receiver."""

    @property
    def delivery(self) -> Delivery:
        """What the frame goes by."""


class Counters(NamedTuple):
    """How a sink fares. Events, unless something else is said."""

    sent: int = 0
    """Delivered: the receiver said so."""
    batches: int = 0
    """Batches delivered."""
    retried: int = 0
    """Batches sent again, each time counted."""
    refused: int = 0
    """Dropped because the receiver will never take them."""
    dropped: int = 0
    """Dropped because there was no room for them; those that cannot be read back from the spool, too."""
    queued: int = 0
    """Waiting in memory."""
    queued_bytes: int = 0
    spooled: int = 0
    """Waiting in the spool."""
    spool_bytes: int = 0
    """What the spool takes on the disk."""
    last_error: str = ""
    """Empty since the last delivery that went well."""

    def by_name(self) -> dict[str, int | str]:
        """As JSON has them: ``queuedBytes``."""
        words = {field: field.title().replace("_", "") for field in self._fields}
        return {word[0].lower() + word[1:]: getattr(self, field) for field, word in words.items()}


class SpoolSettings(NamedTuple):
    """Where what cannot be delivered yet is kept."""

    folder: str | None = "/var/lib/tracee/spool"
    """None: nowhere."""
    size: int = 256 << 20
    """Bytes for each sink."""
    asked: bool = False
    """Somebody said so: then it is an error if it cannot be had."""
