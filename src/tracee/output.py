"""Where events go, and in which form, as ``--output`` takes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tracee.errors import InputError, OutputError
from tracee.events import nearest_hint
from tracee.files import open_private

if TYPE_CHECKING:
    # imported only where there are sinks: every start would pay for it
    from tracee.sinks import SinkSettings
    from tracee.sinks.frame.delivery import SpoolSettings

FORMATS = ("table", "json")
OPTIONS = ("parse-arguments", "exec-env", "out-file=", "capture-dir=", "spool-dir=", "spool-size=")
STDOUT = "stdout"
TO_SINKS = -1
"""Stands for a descriptor: the core keeps those events for the sinks."""


class Output(NamedTuple):
    """A format and the file it goes to; ``stdout`` is standard output."""

    format: str
    to: str = STDOUT


class OutputSettings(NamedTuple):
    """All of ``--output``."""

    outputs: tuple[Output, ...] = (Output("table"),)
    parse_arguments: bool = False
    exec_env: bool = False
    capture_folder: str | None = None
    sinks: tuple[SinkSettings, ...] = ()
    """Receivers that all events are sent to, see :mod:`tracee.sinks`."""
    spool: SpoolSettings | None = None
    """None: as usual."""


def parse_outputs(texts: Sequence[str], receivers: Sequence[SinkSettings] = ()) -> OutputSettings:
    """Reads ``json``, ``json:FILE``, ``option:NAME``, ``option:out-file=FILE``, each as often as it comes.

    Args:
        texts: as they were given.
        receivers: more of them than the texts name.

    Raises:
        InputError: an unknown format or option, or two outputs to one place.
    """
    outputs: list[tuple[str, str | None]] = []
    sinks: list[SinkSettings] = list(receivers)
    options: dict[str, str] = {}
    for text in texts:
        kind, colon, rest = text.partition(":")
        if kind == "option":
            options.update(_option(word) for word in rest.split(","))
        elif kind in FORMATS:
            if colon and not rest:
                raise InputError(f'--output "{text}": a file name is missing')
            outputs.append((kind, rest or None))
        else:
            sinks.append(_sink(kind, text))
    usual = options.get("out-file", STDOUT)
    if not outputs and not sinks:
        outputs.append(("table", None))
    placed = [Output(format, to or usual) for format, to in outputs]
    for output in placed:
        if sum(other.to == output.to for other in placed) > 1:
            raise InputError(f"--output: two outputs go to {output.to}")
    if len({sink.url for sink in sinks}) < len(sinks):
        raise InputError("--output: two sinks have the same URL")
    return OutputSettings(
        tuple(placed),
        parse_arguments="parse-arguments" in options,
        exec_env="exec-env" in options,
        capture_folder=options.get("capture-dir"),
        sinks=tuple(sinks),
        spool=_spool(options),
    )


def _sink(kind: str, text: str) -> SinkSettings:
    from tracee.sinks import kinds, parse

    known = kinds()
    if kind not in known:
        words = [*FORMATS, *known, "option"]
        raise InputError(f'--output: unknown format "{kind}"{nearest_hint(kind, words)}')
    return parse(text)


def _spool(options: dict[str, str]) -> SpoolSettings | None:
    folder, size = options.get("spool-dir"), options.get("spool-size")
    if folder is None and size is None:
        return None
    from tracee.sinks.frame.options import spool_settings

    return spool_settings(folder, size)


def _option(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if f"{name}=" in OPTIONS:
        if not value:
            raise InputError(f'--output "option:{word}": {name} needs a value')
        return name, value
    if name in OPTIONS and not equals:
        return name, ""
    raise InputError(f'--output: unknown option "{word}"{nearest_hint(name, [o.rstrip("=") for o in OPTIONS])}')


class OpenOutput:
    """An output opened for writing. Nothing of an older file is lost before :meth:`begin`."""

    def __init__(self, output: Output) -> None:
        """Opens the file, readable by its owner alone, never through a link.

        Raises:
            OutputError: it cannot be opened.
        """
        self.format = output.format
        self._path: str | None = None
        self._made = False
        if output.to == STDOUT:
            self.fd = 1
            return
        self._path = output.to
        try:
            self.fd, self._made = open_private(self._path)
        except OSError as error:
            raise OutputError(f"--output {output.to}: {error.strerror}") from error

    def begin(self) -> None:
        """Empties an older file: events are about to come."""
        if self._path and stat.S_ISREG(os.fstat(self.fd).st_mode):
            os.ftruncate(self.fd, 0)

    def width(self) -> int | None:
        """Columns of the terminal, where it is one."""
        try:
            return os.get_terminal_size(self.fd).columns or None
        except OSError:
            return None

    def close(self, *, unused: bool = False) -> None:
        """Closes the file; one that was made here and never used goes again."""
        if self._path:
            os.close(self.fd)
            if unused and self._made:
                os.unlink(self._path)  # noqa: PTH108 - importing pathlib takes 4 ms of every start


class OpenOutputs:
    """All outputs of a run, opened together or not at all."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        """Opens them in turn.

        Raises:
            OutputError: one cannot be opened; those before it are closed again.
        """
        self.opened: list[OpenOutput] = []
        self._begun = False
        try:
            for output in outputs:
                self.opened.append(OpenOutput(output))
        except OutputError:
            self._close()
            raise

    def begin(self) -> None:
        """Empties older files."""
        self._begun = True
        for output in self.opened:
            output.begin()

    def __enter__(self) -> OpenOutputs:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        for output in self.opened:
            output.close(unused=not self._begun)
