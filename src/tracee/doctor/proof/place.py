"""Where a deed is done: a folder of its own, gone when the proof ends."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from tracee.doctor.proof.program import program


class CannotBeDoneError(Exception):
    """A deed cannot be done here; its text says why."""


class Place:
    """A deed's folder, which is its working directory as well.

    What it makes is made ready for the deed: what was told until then counts for nothing.
    """

    def __init__(self, folder: Path, ready: Callable[[], None]) -> None:
        self.folder = folder
        self.ready = ready
        """Says that the deed begins here: to be called where it made something ready by itself."""

    def path(self, name: str) -> str:
        """Of a file that is not there yet."""
        return str(self.folder / name)

    def file(self, name: str = "file", content: bytes = b"0123456789abcdef", mode: int = 0o700) -> str:
        """Makes a file; its path."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(mode)
        self.ready()
        return str(path)

    def opened(self, flags: int = os.O_RDWR, content: bytes = b"0123456789abcdef") -> tuple[str, int]:
        """Makes a file and opens it; its path and descriptor."""
        path = self.file(content=content)
        fd = os.open(path, flags)
        self.ready()
        return path, fd

    def subfolder(self, name: str = "folder") -> str:
        """Makes a folder; its path."""
        path = self.folder / name
        path.mkdir()
        self.ready()
        return str(path)

    def program(self, name: str = "program", loader: str | None = None) -> str:
        """Makes a program that ends with 0, which may ask for the dynamic loader of that path; its path."""
        return self.file(name, program(loader), 0o755)


def unique_name(prefix: str) -> str:
    """A name that nothing else has, of 15 characters at most."""
    return prefix + secrets.token_hex(7)[: 15 - len(prefix)]
