"""All sinks of a run: blocks of events are taken from the core, and each sink is given them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from tracee import _core, sinks
from tracee.log import logger
from tracee.sinks.frame.delivery import SinkSettings, SpoolSettings
from tracee.sinks.frame.outgoing import Outgoing, finish, folder_of

_LOOK = 0.5
"""Seconds between two looks at what takes too long."""
_LINGER = 0.1
"""Seconds for which a block may fill."""


class RunningSinks:
    """Made: spools are open. Started: events are sent. Closed: they are delivered, or in the spools."""

    def __init__(self, settings: Sequence[SinkSettings], spool: SpoolSettings) -> None:
        """Opens them all.

        Raises:
            OutputError: a spool that was asked for cannot be had.
        """
        self._outgoing: list[Outgoing] = []
        self._thread: Thread | None = None
        for one in settings:
            self._outgoing.append(Outgoing(sinks.make(one), one.delivery, spool))
        if spool.folder is not None:
            _tell_forgotten(spool.folder, {folder_of(outgoing.name) for outgoing in self._outgoing})

    def start(self, tracer: _core.Tracer) -> None:
        """Begins to send what the tracer hands over."""
        for outgoing in self._outgoing:
            outgoing.start()
        self._thread = Thread(target=self._feed, args=(tracer,), name="tracee-sinks", daemon=True)
        self._thread.start()

    def _feed(self, tracer: _core.Tracer) -> None:
        while True:
            block = tracer.blocks(_LOOK, _LINGER)
            if block is None:
                return
            lines, events, lost = block
            for outgoing in self._outgoing:
                if events:
                    outgoing.put(lines, events)
                if lost:
                    outgoing.missed(lost)
                outgoing.look()

    def close(self) -> None:
        """Delivers what is left, for a bounded time; the rest goes to the spools. The tracer has ended."""
        if self._thread is None:
            return
        self._thread.join(10.0)
        if self._thread.is_alive():
            logger.error("sinks: the last events could not be handed over")
        finish(self._outgoing)
        self._thread = None


def _tell_forgotten(folder: str, own: set[str]) -> None:
    """Says which spools hold events that nobody sends: their receivers were called otherwise."""
    try:
        forgotten = sorted({file.parent.name for file in Path(folder).glob("*/*.events")} - own)
    except OSError as error:
        logger.debug("%s: %s", folder, error.strerror)
        return
    for name in forgotten:
        logger.warning("spool %s/%s holds events for no sink of this run", folder, name)
