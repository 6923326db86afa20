"""What is mounted where, as a process sees it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracee._core import Event


def file_system_at(event: Event, path: str) -> str | None:
    """The type of file system that a path of an event's process is on, by name; None where nobody is left to ask."""
    for pid in (event.host_pid, event.host_ppid):
        with contextlib.suppress(OSError):
            mounts = Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
            return type_of_mount(mounts, path)
    return None


def type_of_mount(mounts: str, path: str) -> str | None:
    """As file_system_at, by the text of a mountinfo: of the deepest mount above, the last one counts."""
    best, found = -1, None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        place = _unescaped(fields[4])
        below = place if place.endswith("/") else f"{place}/"
        if (path == place or path.startswith(below)) and len(place) >= best:
            best, found = len(place), after.split(" ")[0]
    return found


def _unescaped(text: str) -> str:
    """Of \\040 and its like, which stand for the characters that would end a field."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def needs_a_device(type_name: str, device: str = "") -> bool:
    """Whether file systems of this type are on block devices; of a type that is unknown by now ``device`` tells."""
    known: dict[str, bool] = {}
    for line in Path("/proc/filesystems").read_text(encoding="utf-8").splitlines():
        mark, _, name = line.partition("\t")
        known[name] = mark != "nodev"
    base = type_name.partition(".")[0]  # fuseblk.ntfs
    return known.get(base, device.startswith("/dev/"))
