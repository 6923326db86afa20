"""Whether a file is that one, by device and inode: whatever path leads to it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

LINKS_MAX = 40
"""As many as the kernel follows."""


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a file; None where there is none, or it is not to be seen."""
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None


def identities(paths: Iterable[str]) -> set[tuple[int, int]]:
    """Those of all that are there."""
    return {found for path in paths if (found := identity(path)) is not None}


def on_host(path: str) -> tuple[str, str]:
    """The paths by which we may reach what the host calls ``path``: in a container it may be mounted."""
    return path, in_root_of(1, path)


def in_root_of(pid: int, path: str) -> str:
    """The path by which we reach what a process calls ``path``. Links to absolute paths would lead elsewhere."""
    return f"/proc/{pid}/root/{path.lstrip('/')}"


def followed(pid: int, path: str) -> str:
    """As in_root_of, with links followed as the process would follow them: absolute ones, and its /proc/self."""
    left = path.split("/")[::-1]
    at, links = "", 0
    while left:
        name = left.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = at.rpartition("/")[0]
            continue
        if at == "/proc" and name in ("self", "thread-self"):
            return "/".join((f"/proc/{pid}", *reversed(left)))
        target = _link(in_root_of(pid, f"{at}/{name}"))
        links += target is not None
        if target is None or links > LINKS_MAX:
            at = f"{at}/{name}"
            continue
        left += target.split("/")[::-1]
        if target.startswith("/"):
            at = ""
    return in_root_of(pid, at)


def _link(path: str) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        return os.readlink(path)
    return None
