"""What a sink is given, what it may answer, and what it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple


class Batch(NamedTuple):
    """Events on their way to one receiver."""

    number: int
    """Rises from batch to batch of a sink, over restarts too, as long as some are left in its spool."""
    run: bytes
    """8 random bytes of the process that made it."""
    events: int
    lines: bytes
    """A JSON object an event, each with its line's end."""

    @property
    def id(self) -> str:
        """The same whenever this batch is sent, and never that of another."""
        return f"{self.run.hex()}-{self.number}"


class RetryError(Exception):
    """The receiver did not take a batch now, but may later."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        """``after``: seconds for which the receiver asked to be left alone."""
        super().__init__(why)
        self.after = after


class RefusedError(Exception):
    """The receiver will never take this batch, or some events of it: these are dropped."""

    def __init__(self, why: str, events: int | None = None) -> None:
        """``events``: how many were refused, the others being delivered; None: all."""
        super().__init__(why)
        self.events = events


class Sink(ABC):
    """A receiver. Made without touching the network; one thread calls ``send`` and ``close``, another may ``abort``."""

    name: str
    """What it is called in logs and counters, and where it is: one receiver has one name. No secret stands in it."""
    patience: float = 30.0
    """Seconds after which a ``send`` is aborted."""

    @abstractmethod
    def send(self, batch: Batch) -> None:
        """Delivers a batch. Returns when the receiver has it.

        Raises:
            RetryError: not now. Likewise any OSError.
            RefusedError: never.
        """

    def abort(self) -> None:  # noqa: B027 - a sink that never waits has nothing to abort
        """Makes a ``send`` that another thread is in fail soon. Called at most once a ``send``."""

    def close(self) -> None:  # noqa: B027 - nor has one without connections any to let go of
        """Lets go of connections."""
