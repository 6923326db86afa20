"""What a person sees while something takes long: on a terminal alone, and gone when it is over."""

from __future__ import annotations

import sys
import time
from threading import Event, Thread
from types import TracebackType

from tracee.log import transient

_PATIENCE = 1.0
"""Seconds before anything is shown."""
_STEP = 0.5


class Progress:
    """While it is entered, how long it has taken so far."""

    def __init__(self, what: str) -> None:
        """``what`` is being done."""
        self._what = what
        self._over = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._thread = Thread(target=self._show, name="tracee-progress", daemon=True)
            self._thread.start()

    def _show(self) -> None:
        begun = time.monotonic()
        wait = _PATIENCE
        while not self._over.wait(wait):
            transient.show(f"{self._what}: {time.monotonic() - begun:.0f} s")
            wait = _STEP

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._thread:
            self._over.set()
            self._thread.join()
            with transient.erased():
                pass
