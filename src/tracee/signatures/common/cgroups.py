"""Which cgroup a file of cgroupfs is of, wherever that is mounted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

FOLDERS_MAX = 20_000


def cgroup_of(device: int, inode: int, file_name: str) -> str | None:
    """The path of a cgroup within its hierarchy, by one of its files; None where it is gone, or cannot be seen here."""
    for place in _hierarchies(device):
        for number, (folder, names, _) in enumerate(os.walk(place)):
            if number > FOLDERS_MAX:
                break
            try:
                if os.stat(f"{folder}/{file_name}").st_ino == inode:
                    return folder.removeprefix(place) or "/"
            except OSError:  # it has just been removed, and what was below it
                names.clear()
    return None


def _hierarchies(device: int) -> Iterator[str]:
    """Where the file system of that device number is mounted as a whole."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        _, _, numbers, top, place, *_ = before.split(" ")
        major, _, minor = numbers.partition(":")
        is_whole = top == "/" and after.startswith(("cgroup ", "cgroup2 "))
        if is_whole and os.makedev(int(major), int(minor)) == device:
            yield place
