"""Where shared libraries come from."""

from __future__ import annotations

import contextlib
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracee._core import Event

INSTALLED = ("/usr/lib/", "/lib/", "/lib64/", "/usr/lib64/", "/usr/libexec/", "/usr/local/lib/", "/opt/")
DEFAULT = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "usr/lib64",
    "lib64",
    "usr/lib",
    "lib",
)
"""Where the dynamic loader looks by itself, below the root."""
NAMES_MAX = 4096


def is_installed_library(library: str) -> bool:
    """Whether LD_PRELOAD's word names a library of the system: by a name alone, or below where libraries are."""
    if "/" not in library:
        return True
    return library.startswith(INSTALLED) and ".." not in library.split("/")


def replaces_libraries(event: Event, folder: str) -> bool:
    """Whether a folder of LD_LIBRARY_PATH can take the place of the system's libraries in the event's process.

    It can where everybody may write to it, or where it has a library of the name of one of the system's. What lies
    below the folders that only root writes to is the system's own.
    """
    root = f"/proc/{event.host_pid}/root"
    if not os.path.isdir(root):
        root = ""
    if not folder.startswith("/"):
        folder = os.path.normpath(f"{event.args['cwd'] or '/'}/{folder}")
    folder = os.path.normpath(folder)
    if f"{folder}/".startswith(INSTALLED):
        return False
    with contextlib.suppress(OSError):
        status = os.stat(f"{root}{folder}")
        if status.st_mode & stat.S_IWOTH:
            return True
        key = (status.st_dev, status.st_ino, status.st_mtime_ns)
        return bool(_libraries(f"{root}{folder}", key) & _defaults(root))
    return False


def _defaults(root: str) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for folder in DEFAULT:
        with contextlib.suppress(OSError):
            path = f"{root}/{folder}"
            status = os.stat(path)
            found |= _libraries(path, (status.st_dev, status.st_ino, status.st_mtime_ns))
    return found


def _libraries(path: str, key: tuple[int, int, int]) -> frozenset[str]:
    """Names of the libraries in a folder."""
    kept = _kept(key)
    if kept.names is None:
        with os.scandir(path) as entries:
            names = (entry.name for entry in entries)
            kept.names = frozenset(name for _, name in zip(range(NAMES_MAX), names, strict=False) if ".so" in name)
    return kept.names


class _Kept:
    """What was read of a folder, as it was at a time."""

    names: frozenset[str] | None = None


@lru_cache(maxsize=256)
def _kept(key: tuple[int, int, int]) -> _Kept:
    return _Kept()
