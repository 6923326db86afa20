"""The files that outputs go to, open: emptied when events are about to come, moved aside, opened anew."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from tracee.errors import OutputError
from tracee.files import open_folder, open_private
from tracee.output import STDOUT, TO_SINKS, Output, Rotation


class Turning(NamedTuple):
    """How the core moves a file aside: its folder's descriptor, its name in there, and the limits of a Rotation."""

    folder: int
    name: str
    size: int | None
    seconds: float | None
    keep: int


class Opened(NamedTuple):
    """An output, as the core takes it."""

    format: str
    fd: int
    """Or ``TO_SINKS``."""
    width: int | None = None
    """Columns of the terminal, where it is one."""
    template: tuple[str, str] | None = None
    """Its text, and its file's name."""
    rotation: Turning | None = None


FOR_SINKS = Opened("json", TO_SINKS)
"""What sinks take their events from."""


class OpenOutput:
    """An output opened for writing. Nothing of an older file is lost before :meth:`begin`."""

    def __init__(self, output: Output, rotation: Rotation | None) -> None:
        """Opens the file, readable by its owner alone, never through a link.

        Raises:
            OutputError: it cannot be opened.
        """
        self.output = output
        self.path: str | None = None
        self._made = False
        self._turning: Turning | None = None
        if output.to == STDOUT:
            self.fd = 1
            return
        self.path = output.to
        try:
            self.fd, self._made = open_private(self.path, os.O_APPEND)
            if rotation and self._is_regular():
                folder, slash, name = self.path.rpartition("/")
                self._turning = Turning(open_folder(folder + slash), name, *rotation)
        except OSError as error:
            raise OutputError(f"--output {output.to}: {error.strerror}") from error

    def _is_regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self.fd).st_mode)

    def begin(self) -> Opened:
        """Empties an older file: events are about to come. One that is to be moved aside is left to the core."""
        if self.path and not self._turning and self._is_regular():
            os.ftruncate(self.fd, 0)
        return Opened(self.output.format, self.fd, self._width(), self.output.template, self._turning)

    def _width(self) -> int | None:
        try:
            return os.get_terminal_size(self.fd).columns or None
        except OSError:
            return None

    def reopen(self) -> bool:
        """Opens the file by its name again, which may be another file by now; whether there is one.

        Raises:
            OSError: it cannot be opened; the old one stays.
        """
        if not self.path:
            return False
        fd, _ = open_private(self.path, os.O_APPEND)
        os.close(self.fd)
        self.fd = fd
        return True

    def close(self, *, unused: bool = False) -> None:
        """Closes the file; one that was made here and never used goes again."""
        if self.path:
            os.close(self.fd)
            if self._turning:
                os.close(self._turning.folder)
            if unused and self._made:
                os.unlink(self.path)  # noqa: PTH108 - importing pathlib takes 4 ms of every start


class OpenOutputs:
    """All outputs of a run, opened together or not at all."""

    def __init__(self, outputs: Sequence[Output], rotation: Rotation | None = None) -> None:
        """Opens them in turn.

        Raises:
            OutputError: one cannot be opened; those before it are closed again.
        """
        self.opened: list[OpenOutput] = []
        self._begun = False
        try:
            for output in outputs:
                self.opened.append(OpenOutput(output, rotation))
        except OutputError:
            self._close()
            raise

    def begin(self) -> list[Opened]:
        """Empties older files; what the core is to be told."""
        self._begun = True
        return [output.begin() for output in self.opened]

    def __enter__(self) -> OpenOutputs:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        for output in self.opened:
            output.close(unused=not self._begun)
