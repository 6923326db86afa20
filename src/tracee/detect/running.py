"""One signature at work: what goes wrong in it stays in it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tracee.detect.context import Context
from tracee.detect.signals import Signal, SignalKind
from tracee.log import logger

if TYPE_CHECKING:
    from tracee._core import Event
    from tracee.detect.known import Known
    from tracee.detect.stores import Stores

MOST_ERRORS = 10
"""So many, and a signature is switched off."""


class StuckError(BaseException):
    """Raised in a signature that does not come back. No Exception, which it might take for its own."""


class Running:
    """A signature, and what came of it so far."""

    def __init__(self, signature: Known, tell: Callable[[int, Any, dict[str, Any]], object], stores: Stores) -> None:
        """Makes it, and has it get ready.

        Args:
            signature: which.
            tell: takes a finding: the signature's number, the event, the data.
            stores: what is known of the host.
        """
        self.name = signature.name
        self.watches_processes = signature.cls.watches_processes
        self.on = True
        self.events = self.findings = self.errors = 0
        self.seconds = 0.0
        self._begun = False
        self._number = signature.number
        self._tell = tell
        self._since: float | None = None
        """When it was last called and has not come back from."""
        try:
            self._instance = signature.cls()
            # before init, which may be its own
            own = logging.getLogger(f"tracee.{self.name}")
            self._instance.ctx = Context(
                self._callback, own, stores.processes, stores.containers, stores.dns, stores.files
            )
            self._instance.init(self._instance.ctx)
        except Exception:  # noqa: BLE001 - whatever a signature raises stays in it
            self.errors += 1
            logger.exception("signature %s: init failed", self.name)
            self.switch_off("could not get ready")

    def begin(self) -> None:
        """Tells it that events begin to come, once."""
        if not self._begun:
            self._begun = True
            self.signal(Signal(SignalKind.START))

    def take(self, events: list[Event]) -> None:
        """Has it look at events. What it raises is told and counted."""
        self.events += len(events)
        rest = iter(events)
        on_event = self._instance.on_event if self.on else None
        while self.on and on_event:
            began = self._since = time.monotonic()
            try:
                for event in rest:
                    on_event(event)
                return
            except Exception:  # noqa: BLE001 - as above
                self._failed("on_event")
            except StuckError:
                self.errors += 1
            finally:
                self._since = None
                self.seconds += time.monotonic() - began

    def signal(self, signal: Signal) -> None:
        """Tells it what happened; a shutdown also closes it."""
        if not self.on or (signal.kind is SignalKind.PROCESS_GONE and not self.watches_processes):
            return
        began = self._since = time.monotonic()
        try:
            self._instance.on_signal(signal)
            if signal.kind is SignalKind.SHUTDOWN:
                self._instance.close()
        except Exception:  # noqa: BLE001 - as above
            self._failed("on_signal")
        except StuckError:
            self.errors += 1
        finally:
            self._since = None
            self.seconds += time.monotonic() - began

    def busy_for(self) -> float:
        """Seconds since it was called, where it has not come back yet. Any thread may ask."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def switch_off(self, why: str) -> None:
        """It is given no more events."""
        if self.on:
            self.on = False
            logger.error("signature %s is switched off: it %s", self.name, why)

    def counters(self) -> dict[str, int | float]:
        """Events it was given, what it found, how often it failed, seconds it took."""
        return {
            "events": self.events,
            "findings": self.findings,
            "errors": self.errors,
            "seconds": round(self.seconds, 3),
        }

    def _callback(self, finding: Mapping[str, Any]) -> None:
        event, data = finding["Event"], finding.get("Data") or {}
        self._tell(self._number, event, dict(data))
        self.findings += 1

    def _failed(self, what: str) -> None:
        self.errors += 1
        logger.exception("signature %s: %s failed", self.name, what)
        if self.errors >= MOST_ERRORS:
            self.switch_off(f"failed {self.errors} times")
