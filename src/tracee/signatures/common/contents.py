"""What a file begins with, where an event does not tell."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from tracee.signatures.common.roots import roots_of

if TYPE_CHECKING:
    from tracee._core import Event

ELF = b"\x7fELF"
MEMORY = ("memfd:", "/dev/shm/", "/run/shm/")
"""How paths of files begin that are on no disk."""


def is_elf(event: Event, path: str, told: str | None, inode: int | None = None) -> bool:
    """Whether a file is a program, or a part of one.

    Args:
        event: whose process sees the path.
        path: of the file.
        told: its first bytes, as text of an event; None: not known; fewer than four: more may have come by now.
        inode: the file must have, if it is looked at.
    """
    if told is not None:
        begins = os.fsencode(told)[: len(ELF)]
        if begins == ELF:
            return True
        if len(begins) == len(ELF) or not ELF.startswith(begins):
            return False
    looked = (_first_bytes(f"{root}{path}", inode) for root in roots_of(event))
    return next((found for found in looked if found is not None), None) == ELF


def _first_bytes(path: str, inode: int | None) -> bytes | None:
    """None where it is not there, is another file, or no regular one."""
    with contextlib.suppress(OSError, ValueError):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and inode in (None, status.st_ino):
                return os.pread(fd, len(ELF), 0)
        finally:
            os.close(fd)
    return None
