"""Events of one sink that wait: put together in batches, in memory, and beyond that on the disk; in order.

    put ──▶ early ─────────────────────────▶ next    while little waits
    put ──▶ late ──▶ spool, by the keeper ─▶ next    when ``early`` is full, or the spool has some

All that is ``early`` is older than what the spool has, and that is older than what is ``late``. Who puts never waits
for the disk: should that be full or stuck, ``late`` fills up to its bound, and what then comes is dropped and counted.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition

from tracee.sinks.frame.batch import Batch
from tracee.sinks.frame.delivery import Delivery
from tracee.sinks.frame.spool import Spool

_DISK_PAUSE = 1.0
"""Seconds before the disk is tried again."""


class Queue:
    """Put by one thread, taken by another, kept on disk by a third."""

    def __init__(self, delivery: Delivery, spool: Spool | None, tell: Callable[[str], None]) -> None:
        """``tell`` is told what goes wrong with the disk."""
        self.dropped = 0
        self.queued = 0
        """Events in memory; ``bytes`` is theirs."""
        self.bytes = 0
        self.failing = False
        """The receiver does not take what it is sent: to be set by who sends."""
        self._delivery = delivery
        # early ones may take half of the memory and a batch more: a quarter is left for those on their way to the disk
        self._most = (delivery.batch_events, max(1, min(delivery.batch_bytes, delivery.queue_bytes // 4)))
        self._spool = spool
        self._tell = tell
        self._changed = Condition()
        self._run = os.urandom(8)
        self._number = spool.last if spool else 0
        self._open: list[bytes] = []
        self._open_events = self._open_bytes = 0
        self._open_since = 0.0
        self._early: deque[Batch] = deque()
        self._early_bytes = 0
        self._late: deque[Batch] = deque()
        self._keeping = False
        """A batch is between ``late`` and the spool."""
        self._from_spool = False
        """The batch that is being sent is the spool's first; else it is the first of ``early``."""
        self._ended = False
        self._closed = False

    # -- who puts

    def put(self, lines: bytes, events: int) -> None:
        """Adds events, a line each. What finds no room is dropped and counted."""
        delivery = self._delivery
        with self._changed:
            most = self._most
            room = (most[0] - self._open_events, most[1] - self._open_bytes)
            for part, count in _parts(lines, events, room, most):
                if self._open and (self._open_events + count > most[0] or self._open_bytes + len(part) > most[1]):
                    self._seal()
                if self.bytes + len(part) > delivery.queue_bytes and self.bytes:
                    self.dropped += count
                    continue
                if not self._open:
                    self._open_since = time.monotonic()
                self._open.append(part)
                self._open_bytes += len(part)
                self._open_events += count
                self._grow(count, len(part))
                if self._open_events >= most[0] or self._open_bytes >= most[1]:
                    self._seal()
            self._changed.notify_all()

    def _grow(self, events: int, size: int) -> None:
        self.queued += events
        self.bytes += size

    def _seal(self) -> None:
        self._number += 1
        batch = Batch(self._number, self._run, self._open_events, b"".join(self._open))
        self._open.clear()
        self._open_events = self._open_bytes = 0
        # while nothing can be delivered, the disk is the safer place
        room = -1 if self.failing else self._delivery.queue_bytes // 2
        if self._spool is None or not (self._late or self._keeping or self._spool.events or self._early_bytes > room):
            self._early.append(batch)
            self._early_bytes += len(batch.lines)
        else:
            self._late.append(batch)

    def end(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            if self._open:
                self._seal()
            self._ended = True
            self._changed.notify_all()

    # -- who sends

    def next(self) -> Batch | None:
        """The oldest batch, once there is one; it stays until :meth:`done`. None: all is delivered, or it is closed."""
        while True:
            with self._changed:
                if self._closed:
                    return None
                if self._early:
                    self._from_spool = False
                    return self._early[0]
                # which is asked without the lock, since it may take a while
                on_disk = self._spool is not None and self._spool.events > 0
                if not on_disk and not self._keeping and self._late:
                    self._promote()
                    continue
                if not on_disk:
                    if self._ended and not (self._keeping or self._late):
                        return None
                    self._changed.wait(self._until_flush())
                    continue
            batch = self._from_disk()
            if batch is not None:
                self._from_spool = True
                return batch

    def _promote(self) -> None:
        batch = self._late.popleft()
        self._early.append(batch)
        self._early_bytes += len(batch.lines)

    def _until_flush(self) -> float | None:
        """Seconds until what is open is a batch; it is made one where that has come."""
        if not self._open:
            return None
        rest = self._open_since + self._delivery.flush - time.monotonic()
        if rest <= 0:
            self._seal()
            return 0.0
        return rest

    def _from_disk(self) -> Batch | None:
        assert self._spool is not None
        try:
            return self._spool.peek()
        except OSError as error:
            self._tell(f"the spool cannot be read: {error.strerror}")
            with self._changed:
                if not self._closed:
                    self._changed.wait(_DISK_PAUSE)
            return None

    def done(self, batch: Batch) -> None:
        """What :meth:`next` gave is dealt with. After :meth:`close` it is too late: it is kept, to be sent again."""
        if self._from_spool:
            assert self._spool is not None
            self._spool.advance()
        with self._changed:
            if not self._from_spool and not self._closed:
                self._early.popleft()
                self._early_bytes -= len(batch.lines)
                self._grow(-batch.events, -len(batch.lines))
            self._changed.notify_all()

    # -- who keeps

    def keep(self) -> None:
        """Moves what is late to the spool, until closed: the work of a thread of its own."""
        spool = self._spool
        assert spool is not None
        while True:
            with self._changed:
                if self._closed:
                    return
                if not self._late:
                    self._changed.wait(self._until_flush())
                    continue
                batch = self._late.popleft()
                self._keeping = True
            kept = self._keep(spool, batch)
            with self._changed:
                self._keeping = False
                if kept:
                    self._grow(-batch.events, -len(batch.lines))
                else:
                    self._late.appendleft(batch)
                self._changed.notify_all()
                if not kept and not self._closed:
                    self._changed.wait(_DISK_PAUSE)

    def _keep(self, spool: Spool, batch: Batch) -> bool:
        try:
            kept = spool.append(batch)
        except OSError as error:
            self._tell(f"the spool cannot be written: {error.strerror}")
            return False
        if not kept:
            self._tell(f"the spool is full ({spool.size} bytes)")
        return kept

    # -- the end

    def close(self) -> None:
        """Nobody may send or keep any more: ``next`` and ``keep`` return."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def save(self) -> None:
        """Puts all that is left into the spool, or counts it as dropped.

        To be called after :meth:`close`, and when :meth:`keep` has returned.
        """
        if self._open:
            self._seal()
        if self._spool is None:
            self.dropped += sum(batch.events for batch in [*self._early, *self._late])
        else:
            # what is early comes before the spool's own, what is late behind: each where it belongs
            self.dropped += self._spool.prepend(self._early)
            self.dropped += sum(batch.events for batch in self._late if not self._keep(self._spool, batch))
        self._early.clear()
        self._late.clear()
        self.queued = self.bytes = self._early_bytes = 0


def _parts(lines: bytes, events: int, room: tuple[int, int], most: tuple[int, int]) -> Iterator[tuple[bytes, int]]:
    """Cuts a block into parts that a batch has room for: the first for what is left in one, the others for new ones.

    Room is events and bytes. A line that is too long for any batch is a part of its own.
    """
    if events <= room[0] and len(lines) <= room[1]:
        yield lines, events
        return
    part: list[bytes] = []
    size = 0
    for line in lines.splitlines(keepends=True):
        if len(part) >= room[0] or size + len(line) > room[1]:
            if part:
                yield b"".join(part), len(part)
            part, size, room = [], 0, most
        part.append(line)
        size += len(line)
    yield b"".join(part), len(part)
