"""Where runtimes listen. Imports little: ``tracee doctor`` and the start of a trace ask this."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tracee.containers.client import clients

HOST = Path("/proc/1/root")
"""The host's root, for us in a container that shares the host's process ids; our own one otherwise."""
_LINKS = 40
"""Symbolic links followed in one path, as many as the kernel does."""


class Socket(NamedTuple):
    """A place where a runtime listens, or should."""

    runtime: str | None
    """``None``: to be found out by asking."""
    path: Path
    """As we can open it."""


def known(host: Path = HOST) -> list[Socket]:
    """The usual places at which there is a socket now, on this root and on the host's; each socket once.

    Those of single users are not among them: what answers there is theirs, and may say of containers what it likes.
    """
    usual = [(runtime, path) for kind in clients() for path, runtime in kind.sockets.items()]
    roots = (Path("/"), host)
    return list(_each_once(Socket(runtime, seen(root, path)) for root in roots for runtime, path in usual))


def given(sockets: Iterable[tuple[str | None, Path]], host: Path = HOST) -> list[Socket]:
    """The places that a user names: on this root, else on the host's. They need not exist yet."""

    def place(path: Path) -> Path:
        on_host = seen(host, str(path.absolute()))
        return on_host if stamp(path) is None and stamp(on_host) is not None else path

    return [Socket(runtime, place(path)) for runtime, path in sockets]


def seen(root: Path, path: str) -> Path:
    """A path as processes with this root see it, links in it followed below that root.

    The kernel would follow an absolute link (``/var/run`` is one to ``/run``) to our own root.
    """
    if root == Path("/"):
        return Path(path)
    left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    at = root
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            at = at if at == root else at.parent
            continue
        at /= part
        try:
            target = str(at.readlink())
        except OSError:
            continue  # no link, or nothing at all, which whoever opens it will be told
        links += 1
        if links > _LINKS:
            return root / path.lstrip("/")
        at = root if target.startswith("/") else at.parent
        left += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return at


def stamp(path: Path) -> tuple[int, ...] | None:
    """What tells one socket from the next at the same path; ``None``: there is no socket, or we may not see it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_ctime_ns) if stat.S_ISSOCK(found.st_mode) else None


def _each_once(sockets: Iterable[Socket]) -> Iterator[Socket]:
    met = set()
    for socket in sockets:
        which = stamp(socket.path)
        if which is not None and which not in met:
            met.add(which)
            yield socket
