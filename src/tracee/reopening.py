"""SIGUSR1: files that were moved away, by logrotate for instance, are opened anew by their names."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from tracee.errors import TraceeError
from tracee.log import logger


class Reopening:
    """All that writes to files by name registers here."""

    def __init__(self) -> None:
        self._asked = False
        self._reopen: list[Callable[[], None]] = []

    def add(self, reopen: Callable[[], None]) -> None:
        """``reopen`` is called by the main thread, within a second of the signal.

        What cannot be opened it tells by OSError or TraceeError, and goes on with what it has.
        """
        self._reopen.append(reopen)

    def listen(self) -> None:
        """Takes the signal from now on."""
        signal.signal(signal.SIGUSR1, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def look(self) -> None:
        """Opens all anew where that was asked for. To be called now and then."""
        if not self._asked:
            return
        self._asked = False
        for reopen in self._reopen:
            try:
                reopen()
            except (OSError, TraceeError) as error:
                logger.error("SIGUSR1: %s", error)


reopening = Reopening()
"""Of this process."""
