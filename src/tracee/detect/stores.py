"""What signatures may ask of the host, see :mod:`tracee.detect.context`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections import OrderedDict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracee.policy.paths import Paths

if TYPE_CHECKING:
    from tracee._core import Event, Process, Tracer
    from tracee.detect.context import Containers, Files, Names, Processes

_MOST_BYTES = 64 << 20
"""Of a file that is hashed."""
_MOST_HASHES = 4096
_MOST_ROOTS = 64
"""Roots of which links are remembered ..."""
_MOST_AGE = 1.0
"""... for so many seconds: links come and go."""


class Stores:
    """All of them."""

    processes: Processes
    containers: Containers
    dns: Names
    files: Files

    def __init__(self, tracer: Tracer) -> None:
        """Of what a tracer knows."""
        self.processes = _Processes(tracer)
        self.containers = _Containers(tracer)
        self.dns = _Names(tracer)
        self.files = FileStore()


class _Processes:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def get(self, pid: int, start_time: int | None = None) -> Process | None:
        return self._tracer.process(pid, start_time)


class _Containers:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def get(self, container_id: str) -> dict[str, Any] | None:
        return self._tracer.container(container_id)


class _Names:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def get(self, address: str) -> str | None:
        return self._tracer.domain(address)


class FileStore:
    """Files, as the process of an event sees them."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._roots: OrderedDict[int, _Root] = OrderedDict()
        self._hashes: OrderedDict[tuple[int, int, int, int], str] = OrderedDict()

    def is_file(self, event: Event, path: str, *names: str) -> bool:
        """Whether ``path``, which the event tells, is one of the files ``names``; see :class:`Files`."""
        if any(_matches(path, name) for name in names):
            return True
        paths = self._paths(event)
        others = [path, *paths.others(path)]
        return any(_matches(one, other) for name in names for other in (name, *paths.others(name)) for one in others)

    def sha256(self, event: Event, path: str) -> str | None:
        """Of a file, in hexadecimal; see :class:`Files`."""
        for root in _roots(event):
            try:
                with open(f"{root}/{path.lstrip('/')}", "rb", opener=_opener) as file:
                    return self._hash(file.fileno())
            except (OSError, ValueError):
                continue  # gone, or out of reach from there
        return None

    def _hash(self, descriptor: int) -> str | None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            return None
        key = (status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size)
        known = self._hashes.get(key)
        if known is None:
            hashed, rest = hashlib.sha256(), _MOST_BYTES
            while rest > 0 and (block := os.read(descriptor, min(rest, 1 << 20))):
                hashed.update(block)
                rest -= len(block)
            known = hashed.hexdigest()
            self._hashes[key] = known
            if len(self._hashes) > _MOST_HASHES:
                self._hashes.popitem(last=False)
        return known

    def _paths(self, event: Event) -> Paths:
        """Links in the root of an event's process, kept by its mount namespace."""
        namespace = event.mount_namespace
        now = time.monotonic()
        root = self._roots.get(namespace)
        if root is None or now - root.made >= _MOST_AGE:
            root = self._roots[namespace] = _Root(event, now)
            if len(self._roots) > _MOST_ROOTS:
                self._roots.popitem(last=False)
        return root.paths


class _Root:
    """The root of an event's process, held open: the process may end before a link has been looked up."""

    def __init__(self, event: Event, made: float) -> None:
        """``made``: when, in seconds."""
        self.made = made
        self._held = -1
        for root in (*_roots(event), "/"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                self._held = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                break
        self.paths = Paths(f"/proc/self/fd/{self._held}" if self._held >= 0 else "/")

    def __del__(self) -> None:
        """Lets go of it."""
        if self._held >= 0:
            os.close(self._held)


def _roots(event: Event) -> list[str]:
    """Where the root of an event's process may be reached, also when it has ended."""
    pids = dict.fromkeys((event.host_pid, event.host_ppid, *reversed(event.ancestors)))
    found = []
    for pid in pids:
        if not pid:
            continue
        root = f"/proc/{pid}/root"
        try:
            if Path(f"/proc/{pid}/ns/mnt").stat().st_ino == event.mount_namespace:
                found.append(root)
        except OSError:
            continue  # it has ended
    return found


def _opener(path: str, flags: int) -> int:
    # a pipe would be waited for
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


def _matches(path: str, name: str) -> bool:
    """As in filters: * stands for anything, and nothing else is special."""
    if "*" not in name:
        return path == name
    return fnmatchcase(path, name.replace("[", "[[]").replace("?", "[?]"))
