"""Batches on disk, in order, until they are delivered: they outlive a restart and a crash.

A folder of segments, each named after its first batch, so that their names have the batches' order. A segment is
records, one a batch: a head with a checksum of its own, and the events with theirs. The oldest segment is read, the
newest written, and one that is delivered is deleted. ``cursor`` says how far the oldest is delivered; without it that
is sent again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from errno import ENOSPC
from threading import Lock
from typing import NamedTuple

from tracee.sinks.frame.batch import Batch

_MAGIC = b"TRSP"
_HEAD = struct.Struct("<4sIIIIQ8s")
"""Magic, checksum of what follows here, checksum of the events' bytes, their length, events, number and run."""
_CURSOR = struct.Struct("<4sIQQ")
"""Magic, checksum of what follows, the segment's number, and up to where it is delivered."""
_SUFFIX = ".events"
_MOST_SEGMENT = 8 << 20


class SpoolInUseError(OSError):
    """Another process has it."""


class _Record(NamedTuple):
    offset: int
    length: int
    """With its head."""
    events: int
    number: int
    run: bytes
    checksum: int


class _Segment:
    """A file of records. ``length`` is where the last whole record ends."""

    def __init__(self, path: str, number: int, length: int = 0) -> None:
        self.path = path
        self.number = number
        self.length = length


class Spool:
    """One sink's. One thread may append while another reads."""

    def __init__(self, folder: str, size: int, tell: Callable[[str], None]) -> None:
        """Opens it, or makes it: a folder that only its owner can enter.

        Args:
            folder: of this sink alone.
            size: bytes that it may take on the disk.
            tell: what was found damaged is told to it.

        Raises:
            SpoolInUseError: another process has it.
            OSError: it cannot be made or read.
        """
        self.size = size
        self.bytes = 0
        self.events = 0
        self.damaged = 0
        """Events that could not be read back."""
        self._tell = tell
        self._lock = Lock()
        self._segments: deque[_Segment] = deque()
        self._records: deque[_Record] = deque()
        """Of the oldest segment, those not yet delivered."""
        self._writing: int | None = None
        self._reading: int | None = None
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - as in output.py
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)  # noqa: PTH102
        # what follows is relative to this descriptor, so that a link in its place leads nowhere else
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._own()
            self._cursor = self._open("cursor", os.O_RDWR | os.O_CREAT)
            self._recover()
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> int:
        """The greatest number of a batch in it; 0 where it is empty. Exact until the first :meth:`append`."""
        return self._last

    def _own(self) -> None:
        status = os.fstat(self._folder)
        if status.st_uid != os.geteuid():
            raise PermissionError(1, "the spool belongs to somebody else")
        os.fchmod(self._folder, 0o700)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpoolInUseError(error.errno, "the spool is in use by another process") from error

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._folder)

    def _recover(self) -> None:
        self._last = 0
        for name in sorted(os.listdir(self._folder)):  # noqa: PTH208 - of a descriptor
            if not name.endswith(_SUFFIX):
                continue
            fd = self._open(name, os.O_RDWR)
            try:
                records, length = _scan(fd, self._told_of(name))
                os.ftruncate(fd, length)
            finally:
                os.close(fd)
            if not records:
                os.unlink(name, dir_fd=self._folder)
                continue
            self._segments.append(_Segment(name, records[0].number, length))
            self._last = max(self._last, records[-1].number)
            self.bytes += length
            self.events += sum(record.events for record in records)
        if self._segments:
            whole = sum(record.events for record in self._load())
            self._skip_delivered()
            self.events -= whole - sum(record.events for record in self._records)

    def _told_of(self, name: str) -> Callable[[str], None]:
        return lambda text: self._tell(f"spool file {name}: {text}")

    def append(self, batch: Batch) -> bool:
        """Adds a batch behind all others; whether there was room.

        Raises:
            OSError: it could not be written; nothing has changed then.
        """
        with self._lock:
            length = _HEAD.size + len(batch.lines)
            if self.bytes + length > self.size:
                return False
            newest = self._segments[-1] if self._segments and self._writing is not None else None
            if newest is None or newest.length + length > min(_MOST_SEGMENT, self.size // 8):
                newest = self._begin_segment(batch.number)
            self._write(newest, batch)
            return True

    def prepend(self, batches: Iterable[Batch]) -> int:
        """Adds batches that are older than all that are in it, in a segment of their own; events that could not be.

        To be called when nothing is read any more.
        """
        lost = 0
        segment = None
        with self._lock:
            for batch in batches:
                try:
                    if self.bytes + _HEAD.size + len(batch.lines) > self.size:
                        raise OSError(ENOSPC, f"it is full ({self.size} bytes)")
                    segment = segment or self._begin_segment(batch.number)
                    self._write(segment, batch)
                except OSError as error:
                    self._tell(f"the spool cannot be written: {error.strerror}")
                    lost += batch.events
            with contextlib.suppress(OSError):  # not forced to the disk, but written
                self._end_segment()
        return lost

    def _begin_segment(self, number: int) -> _Segment:
        self._end_segment()
        name = f"{number:020}{_SUFFIX}"
        self._writing = self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        segment = _Segment(name, number)
        self._segments.append(segment)
        return segment

    def _end_segment(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            try:
                os.fsync(writing)
            finally:
                os.close(writing)

    def _write(self, segment: _Segment, batch: Batch) -> None:
        assert self._writing is not None
        record = _encode(batch)
        written = 0
        try:
            while written < len(record):
                written += os.pwrite(self._writing, record[written:], segment.length + written)
        except OSError:
            os.ftruncate(self._writing, segment.length)
            raise
        if segment is self._segments[0] and self._reading is not None:
            # it is being read already: the reader learns of it here
            self._records.append(_described(batch, segment.length))
        segment.length += len(record)
        self.bytes += len(record)
        self.events += batch.events

    def peek(self) -> Batch | None:
        """The oldest batch; None where there is none. One that is damaged is dropped and counted.

        Raises:
            OSError: it cannot be read.
        """
        with self._lock:
            while self._segments and self._folder >= 0:
                if self._reading is None:
                    self._load()
                while self._records:
                    record = self._records[0]
                    batch = self._read(record)
                    if batch is not None:
                        return batch
                    self._tell(f"spool: {record.events} events are damaged, and dropped")
                    self.damaged += record.events
                    self._pass(record)
                self._drop_segment()
            return None

    def advance(self) -> None:
        """The batch that was last peeked at is dealt with."""
        with self._lock:
            if self._folder < 0:
                return
            self._pass(self._records[0])
            if not self._records:
                self._drop_segment()

    def _load(self) -> deque[_Record]:
        """Begins to read the oldest segment."""
        segment = self._segments[0]
        self._reading = self._open(segment.path, os.O_RDONLY)
        self._records = deque(r for r in _scan(self._reading, lambda _: None)[0] if r.offset < segment.length)
        return self._records

    def _read(self, record: _Record) -> Batch | None:
        assert self._reading is not None
        lines = os.pread(self._reading, record.length - _HEAD.size, record.offset + _HEAD.size)
        if zlib.crc32(lines) != record.checksum or len(lines) != record.length - _HEAD.size:
            return None
        return Batch(record.number, record.run, record.events, lines)

    def _pass(self, record: _Record) -> None:
        self._records.popleft()
        self.events -= record.events
        rest = struct.pack("<QQ", self._segments[0].number, record.offset + record.length)
        with contextlib.suppress(OSError):  # on a full disk: after a restart it is sent again, which is allowed
            os.pwrite(self._cursor, _MAGIC + struct.pack("<I", zlib.crc32(rest)) + rest, 0)

    def _skip_delivered(self) -> None:
        text = os.pread(self._cursor, _CURSOR.size, 0)
        if len(text) < _CURSOR.size:
            return
        magic, checksum, number, offset = _CURSOR.unpack(text)
        if magic == _MAGIC and checksum == zlib.crc32(text[8:]) and number == self._segments[0].number:
            while self._records and self._records[0].offset < offset:
                self._records.popleft()

    def _drop_segment(self) -> None:
        """Deletes the oldest segment, all of which is dealt with."""
        segment = self._segments.popleft()
        if self._reading is not None:
            os.close(self._reading)
            self._reading = None
        if not self._segments and self._writing is not None:
            os.close(self._writing)
            self._writing = None
        os.unlink(segment.path, dir_fd=self._folder)
        self.bytes -= segment.length

    def close(self) -> None:
        """Lets go of it, what was written being on the disk. Closing twice does nothing."""
        with self._lock:
            if self._folder < 0:
                return
            with contextlib.suppress(OSError):  # the disk is broken, and whoever wrote was told
                self._end_segment()
            for fd in (self._reading, getattr(self, "_cursor", None), self._folder):
                if fd is not None:
                    os.close(fd)
            self._reading, self._folder = None, -1


def _encode(batch: Batch) -> bytes:
    body = struct.pack(
        "<IIIQ8s", zlib.crc32(batch.lines), len(batch.lines), batch.events, batch.number, batch.run.ljust(8, b"\0")
    )
    return b"".join((_MAGIC, struct.pack("<I", zlib.crc32(body)), body, batch.lines))


def _described(batch: Batch, offset: int) -> _Record:
    length = _HEAD.size + len(batch.lines)
    return _Record(offset, length, batch.events, batch.number, batch.run, zlib.crc32(batch.lines))


def _record(head: bytes, offset: int) -> _Record | None:
    """What a head at ``offset`` says; None where it is none."""
    magic, checksum, of_lines, length, events, number, run = _HEAD.unpack_from(head)
    if magic != _MAGIC or checksum != zlib.crc32(head[8 : _HEAD.size]):
        return None
    return _Record(offset, _HEAD.size + length, events, number, run, of_lines)


def _scan(fd: int, tell: Callable[[str], None]) -> tuple[list[_Record], int]:
    """The records of a segment, and where the last whole one ends; what is damaged in between is passed over."""
    end = os.fstat(fd).st_size
    records: list[_Record] = []
    offset = whole = 0
    while offset < end:
        head = os.pread(fd, _HEAD.size, offset)
        record = _record(head, offset) if len(head) == _HEAD.size else None
        if record is None:
            found = _next_head(fd, offset + 1, end)
            if found is not None:
                tell(f"{found - offset} bytes are damaged, and passed over")
                offset = found
                continue
        if record is None or offset + record.length > end:
            tell(f"its last {end - offset} bytes are half a batch, and dropped")
            break
        records.append(record)
        offset += record.length
        whole = offset
    return records, whole


def _next_head(fd: int, offset: int, end: int) -> int | None:
    """Where the next head is, after something damaged."""
    rest = os.pread(fd, end - offset, offset)
    at = rest.find(_MAGIC)
    while at >= 0:
        head = rest[at : at + _HEAD.size]
        if len(head) == _HEAD.size and _record(head, offset + at) is not None:
            return offset + at
        at = rest.find(_MAGIC, at + 1)
    return None
