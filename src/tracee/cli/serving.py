"""The server of a run, where one is asked for: from before programs are loaded to the end."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from tracee import _core
from tracee.server.settings import ServerSettings

if TYPE_CHECKING:
    from tracee.server.metrics import Metrics, Signatures
    from tracee.server.server import Health, Server


class Serving:
    """Entered, it listens and answers; without an address it does nothing at all."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._running: tuple[Server, Metrics, Health] | None = None

    def __enter__(self) -> Serving:
        """Begins.

        Raises:
            TraceeError: it cannot listen there, or the token cannot be read.
        """
        if self._settings.address is not None:
            # a start without is sooner without what serves
            from tracee.server.metrics import Metrics
            from tracee.server.server import Health, Server

            metrics, health = Metrics(), Health()
            server = Server(self._settings, metrics.text, health)
            server.start()
            self._running = server, metrics, health
        return self

    def begin(self, tracer: _core.Tracer, signatures: Callable[[], Signatures]) -> None:
        """Tracing has begun; ``signatures`` gives the counters of each."""
        if self._running:
            _, metrics, health = self._running
            metrics.watch(tracer, signatures)
            health.begin()

    def look(self) -> None:
        """The run is looked after."""
        if self._running:
            self._running[2].look()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._running:
            self._running[0].close()
