"""Signatures at work: a thread of their own, which is given events and hands back what they find.

The tracer never waits for it: events that it cannot follow are dropped, counted and told.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from typing import TYPE_CHECKING

from tracee.detect.known import known
from tracee.detect.running import Running, StuckError
from tracee.detect.signals import Signal, SignalKind
from tracee.detect.stores import Stores
from tracee.log import logger

if TYPE_CHECKING:
    from tracee import _core
    from tracee.policy.plan import Plan

_WAIT = 0.5
"""Seconds until the thread looks whether there are signatures that have not begun."""
_MOST_SECONDS = 10.0
"""That a signature may take to come back; then it is switched off."""
_PATIENCE = 1.0
"""Seconds that the end waits for the thread, when the tracer has ended."""


class Detector:
    """The signatures of a plan."""

    def __init__(self, tracer: _core.Tracer) -> None:
        """``tracer``: has not begun yet."""
        self._tracer = tracer
        self._running: dict[int, Running] = {}
        self._stores = Stores(tracer)
        self._thread: threading.Thread | None = None
        self._told = 0

    def use(self, plan: Plan) -> None:
        """Makes the signatures ready that a plan needs; before the tracer goes by it. Those that run already go on."""
        if not plan.signatures:
            return
        signatures = known()
        running = dict(self._running)
        for policy in plan.signatures:
            signature = signatures[policy.name]
            if signature.number not in running:
                running[signature.number] = Running(signature, self._tracer.found, self._stores)
        # another dict, since the thread goes through the one it has
        self._running = running
        self._tracer.attend(any(one.watches_processes for one in running.values()))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tracee-signatures", daemon=True)
            self._thread.start()

    def look(self) -> None:
        """Tells what signatures missed, and puts an end to one that does not come back."""
        missed = self._tracer.missed()
        total = sum(missed.values())
        if total > self._told:
            self._told = total
            which = ", ".join(f"{name}: {count}" for name, count in sorted(missed.items(), key=lambda item: -item[1]))
            logger.warning("signatures cannot follow: events they did not look at: %d (%s)", total, which)
        for running in self._running.values():
            if running.on and running.busy_for() > _MOST_SECONDS:
                running.switch_off(f"has not come back for {_MOST_SECONDS:.0f} s")
                self._interrupt()

    def _interrupt(self) -> None:
        """Has the thread leave where it is. That reaches Python code only: who hangs in C is never left."""
        if self._thread and self._thread.ident is not None:
            thread = ctypes.c_ulong(self._thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(StuckError))

    def close(self) -> None:
        """Waits for the thread; the tracer has ended."""
        if self._thread:
            self._thread.join(_PATIENCE)
        if self._thread and self._thread.is_alive():
            stuck = [one.name for one in self._running.values() if one.busy_for() > 0]
            logger.warning("signatures that do not come to an end: %s", ", ".join(stuck) or "unknown")
        self.look()

    def counters(self) -> dict[str, dict[str, int | float]]:
        """By signature: events, findings, errors, seconds. From any thread."""
        return {one.name: one.counters() for one in list(self._running.values())}

    def _run(self) -> None:
        # what is there by now stays, and need not be gone through each time that garbage is looked for
        gc.freeze()
        while True:
            try:
                if not self._turn():
                    return
            except StuckError:
                continue  # it came late: what hung had come back

    def _turn(self) -> bool:
        """Looks at what has come; whether more may come."""
        for running in self._running.values():
            running.begin()
        taken = self._tracer.detections(_WAIT)
        if taken is None:
            return False
        events, signals = taken
        for number, those in events.items():
            self._running[number].take(those)
        for kind, pid, start_time, container in signals:
            signal = Signal(SignalKind(kind), pid, start_time, container)
            for running in self._running.values():
                running.signal(signal)
        return True
