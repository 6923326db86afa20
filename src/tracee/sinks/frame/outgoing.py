"""A sink at work: its queue, the threads that send and keep, repetition, counters."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterable
from hashlib import sha256
from threading import Event, Thread

from tracee.errors import OutputError
from tracee.log import logger
from tracee.sinks.frame.batch import Batch, RefusedError, RetryError, Sink
from tracee.sinks.frame.delivery import Counters, Delivery, SpoolSettings
from tracee.sinks.frame.queue import Queue
from tracee.sinks.frame.spool import Spool, SpoolInUseError

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_LONGEST_ASKED = 300.0
"""Seconds for which a receiver may ask to be left alone."""
_BROKEN_TRIES = 5
"""A sink that fails as no sink should is not asked more often for one batch."""
_TRIES_AT_THE_END = 2
_QUIET = 30.0
"""Seconds between two lines of the log about the same thing."""

_current: list[Outgoing] = []


def current() -> list[Outgoing]:
    """Those at work in this process."""
    return list(_current)


class Backoff:
    """How long to wait before a batch is sent again: at random, up to twice as long each time, so that many differ."""

    def __init__(self) -> None:
        self._failures = 0

    def next(self, asked: float) -> float:
        """Seconds; at least ``asked``, as far as that is reasonable."""
        most = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return max(random.uniform(0, most), min(asked, _LONGEST_ASKED))


class Teller:
    """Writes lines to the log, each kind at most twice a minute."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: dict[str, float] = {}

    def warn(self, text: str) -> None:
        """A warning, unless the same has just been told."""
        kind = re.sub(r"\d+", "", text)
        now = time.monotonic()
        if now - self._told.get(kind, -_QUIET) >= _QUIET:
            # what receivers answer is part of it: there may be no end of kinds
            if len(self._told) > 64:
                self._told.clear()
            self._told[kind] = now
            logger.warning("%s: %s", self._name, text)

    def again(self) -> None:
        """What was told is over: the next time is news."""
        if self._told:
            self._told.clear()
            logger.warning("%s: takes events again", self._name)


class Outgoing:
    """One sink at work."""

    def __init__(self, sink: Sink, delivery: Delivery, spool: SpoolSettings) -> None:
        """Opens its spool; nothing is sent before :meth:`start`.

        Raises:
            OutputError: the spool that was asked for cannot be had.
        """
        self.name = sink.name
        self._sink = sink
        self._teller = Teller(sink.name)
        self._spool = _open_spool(sink.name, spool, self._teller)
        self._queue = Queue(delivery, self._spool, self._teller.warn)
        self._delivery = delivery
        self._sent = self._batches = self._retried = self._refused = self._missed = 0
        self._last_error = ""
        self._sending_since: float | None = None
        self._aborted = False
        self._ending = Event()
        self._over = Event()
        self._threads: list[Thread] = []
        if self._spool is not None and self._spool.events:
            logger.info("%s: %d events are left from before, and sent first", self.name, self._spool.events)

    def start(self) -> None:
        """Begins to send."""
        _current.append(self)
        work = [("send", self._send_all)] + ([("keep", self._queue.keep)] if self._spool else [])
        for name, target in work:
            thread = Thread(target=target, name=f"tracee-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def put(self, lines: bytes, events: int) -> None:
        """Hands over events, a line each. Never waits for the receiver or the disk."""
        before = self._queue.dropped
        self._queue.put(lines, events)
        if self._queue.dropped > before:
            self._teller.warn(f"no room is left: {self._queue.dropped + self._missed} events dropped so far")

    def missed(self, events: int) -> None:
        """Counts events that could not even be handed over."""
        self._missed += events
        self._teller.warn(f"events come faster than they can be taken: {events} dropped")

    def look(self) -> None:
        """Aborts what takes too long. To be called now and then."""
        since = self._sending_since
        if since is not None and time.monotonic() - since > self._sink.patience:
            self._sending_since = None
            self._aborted = True
            self._sink.abort()

    def counters(self) -> Counters:
        """How it fares."""
        queue, spool = self._queue, self._spool
        return Counters(
            sent=self._sent,
            batches=self._batches,
            retried=self._retried,
            refused=self._refused,
            dropped=queue.dropped + self._missed + (spool.damaged if spool else 0),
            queued=queue.queued,
            queued_bytes=queue.bytes,
            spooled=spool.events if spool else 0,
            spool_bytes=spool.bytes if spool else 0,
            last_error=self._last_error,
        )

    # -- sending

    def _send_all(self) -> None:
        while True:
            batch = self._queue.next()
            if batch is None or not self._deliver(batch):
                break
        self._sink.close()

    def _deliver(self, batch: Batch) -> bool:
        """Sends until the receiver has it or refuses it; False: it is over before that."""
        backoff = Backoff()
        broken = failed_at_the_end = 0
        while not self._over.is_set():
            self._aborted = False
            self._sending_since = time.monotonic()
            try:
                self._sink.send(batch)
                if self._aborted:
                    # what an aborted connection seems to have said is no receipt
                    raise RetryError("it takes too long to answer")
            except RefusedError as error:
                self._refuse(batch, str(error), batch.events if error.events is None else error.events)
                return True
            except (RetryError, OSError) as error:
                self._failed(error)
                wait = backoff.next(error.after if isinstance(error, RetryError) else 0.0)
            except Exception as error:  # noqa: BLE001 - a sink's defect must not end the others, nor stay untold
                logger.debug("%s", self.name, exc_info=error)
                self._failed(error)
                broken += 1
                if broken >= _BROKEN_TRIES:
                    self._refuse(batch, _told(error), batch.events)
                    return True
                wait = backoff.next(0.0)
            else:
                self._delivered(batch)
                return True
            finally:
                self._sending_since = None
            if self._ending.is_set():
                failed_at_the_end += 1
                if failed_at_the_end == _TRIES_AT_THE_END or self._over.wait(min(wait, _FIRST_WAIT)):
                    return False
            else:
                self._ending.wait(wait)
            self._retried += 1
        return False

    def _delivered(self, batch: Batch) -> None:
        self._queue.failing = False
        self._sent += batch.events
        self._batches += 1
        if self._last_error:
            self._last_error = ""
            self._teller.again()
        self._queue.done(batch)

    def _failed(self, error: Exception) -> None:
        self._queue.failing = True
        self._last_error = _told(error)
        self._teller.warn(f"{self._last_error}; events are kept and sent again")

    def _refuse(self, batch: Batch, why: str, events: int) -> None:
        self._queue.failing = False
        self._refused += events
        self._sent += batch.events - events
        self._last_error = why
        self._teller.warn(f"{why}; {self._refused} events dropped so far")
        self._queue.done(batch)

    # -- the end

    def end(self) -> None:
        """Nothing more will come: what can be delivered is, and a receiver that fails is asked once or twice more."""
        self._queue.end()
        self._ending.set()

    def finish(self, deadline: float) -> None:
        """Waits until ``deadline`` (of the monotonic clock) for what is left; what then is left goes to the spool."""
        self._threads[0].join(max(0.0, deadline - time.monotonic()))
        self._over.set()
        self._queue.close()
        if self._threads[0].is_alive():
            self._sink.abort()
        for thread in self._threads:
            thread.join(1.0)
        # the one that sends may be stuck, in a look-up of a name for instance: it touches nothing any more
        if self._spool is not None and self._threads[-1].is_alive():
            self._missed += self._queue.queued
            logger.warning("%s: the disk is stuck: %d events in memory are lost", self.name, self._queue.queued)
            return
        self._queue.save()
        self._say_what_is_left()
        if self._spool is not None:
            self._spool.close()

    def _say_what_is_left(self) -> None:
        if self._spool is not None and self._spool.events:
            logger.warning(
                "%s: %d events are left in the spool, to be sent at the next start", self.name, self._spool.events
            )
        if self._queue.dropped:
            logger.warning("%s: %d events dropped", self.name, self._queue.dropped)


def finish(all_of_them: Iterable[Outgoing]) -> None:
    """Ends sinks together, so that they take no longer than the slowest."""
    ending = list(all_of_them)
    begun = time.monotonic()
    for outgoing in ending:
        outgoing.end()
    for outgoing in ending:
        outgoing.finish(begun + outgoing._delivery.drain)


def _told(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def folder_of(name: str) -> str:
    """The folder of a receiver's spool: a person can tell which it is, and no two have the same."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:80]
    return f"{readable}-{sha256(name.encode()).hexdigest()[:12]}"


def _open_spool(name: str, settings: SpoolSettings, teller: Teller) -> Spool | None:
    if settings.folder is None:
        return None
    folder = f"{settings.folder}/{folder_of(name)}"
    try:
        return Spool(os.path.abspath(folder), settings.size, teller.warn)  # noqa: PTH100 - as in output.py
    except OSError as error:
        why = str(error.args[-1]) if isinstance(error, SpoolInUseError) else error.strerror
        text = f"spool {folder}: {why}"
        if settings.asked:
            raise OutputError(f"--output option:spool-dir: {text}") from error
        teller.warn(f"{text}; what does not fit into memory will be dropped")
        return None
