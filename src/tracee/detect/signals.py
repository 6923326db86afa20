"""What signatures are told apart from events."""

from __future__ import annotations

import enum
from typing import NamedTuple


class SignalKind(enum.Enum):
    """What happened."""

    START = "start"
    """Events begin to come."""
    PROCESS_GONE = "process gone"
    """A process has ended; only for signatures that kept something of it: see ``Signature.watches_processes``."""
    CONTAINER_GONE = "container gone"
    SHUTDOWN = "shutdown"
    """No more events come; close follows."""


class Signal(NamedTuple):
    """One of them."""

    kind: SignalKind
    pid: int = 0
    """Of a process that has gone, as the host sees it."""
    start_time: int = 0
    """Of a process that has gone: ns since 1970."""
    container_id: str = ""
