"""What tracee says of itself: one line each, on standard error or in a file, never among the events."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracee.errors import InputError, OutputError
from tracee.events import nearest_hint
from tracee.files import open_private

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
FORMATS = ("text", "json")
OPTIONS = ("log-file=", "log-format=")
_COLOURS = {logging.DEBUG: "2", logging.INFO: "36", logging.WARNING: "33", logging.ERROR: "31"}

logger = logging.getLogger("tracee")


class LogSettings(NamedTuple):
    """All of ``--log``."""

    level: str = "warn"
    file: str | None = None
    """None: standard error."""
    format: str = "text"


def parse_log(texts: Sequence[str]) -> LogSettings:
    """Reads levels, ``option:log-file=FILE`` and ``option:log-format=FORMAT``; what comes later goes before.

    Raises:
        InputError: there is no such level, option or format.
    """
    settings = LogSettings()
    for text in texts:
        kind, colon, rest = text.partition(":")
        if kind == "option" and colon:
            for word in rest.split(","):
                settings = _with_option(settings, word)
        elif text in LEVELS:
            settings = settings._replace(level=text)
        else:
            raise InputError(f'--log: unknown level "{text}"{nearest_hint(text, [*LEVELS, "option"])}')
    return settings


def _with_option(settings: LogSettings, word: str) -> LogSettings:
    name, _, value = word.partition("=")
    if f"{name}=" not in OPTIONS:
        raise InputError(f'--log: unknown option "{word}"{nearest_hint(name, [o.rstrip("=") for o in OPTIONS])}')
    if not value:
        raise InputError(f'--log "option:{word}": {name} needs a value')
    if name == "log-file":
        return settings._replace(file=value)
    if value not in FORMATS:
        raise InputError(f'--log: unknown log-format "{value}"{nearest_hint(value, FORMATS)}')
    return settings._replace(format=value)


def set_up(settings: LogSettings) -> None:
    """Lets through what is at least as grave as the level, to where the settings say.

    Raises:
        OutputError: the file cannot be opened.
    """
    logging.addLevelName(logging.WARNING, "WARN")
    handler = StandardError() if settings.file is None else LogFile(settings.file)
    if settings.format == "json":
        handler.setFormatter(JsonLines())
    else:
        in_file = settings.file is not None
        handler.setFormatter(Lines(times=in_file, colours=not in_file and _takes_colours()))
    for old in logger.handlers:
        old.close()
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(LEVELS[settings.level])


def reopen() -> None:
    """Opens the file of the log anew, where there is one.

    Raises:
        OSError: it cannot be opened; the old one is written to further on.
    """
    for handler in logger.handlers:
        if isinstance(handler, LogFile):
            handler.reopen()


def tell_end(lines: Sequence[str]) -> None:
    """Why tracee ends: on standard error, and in the log where that is a file."""
    ours = [handler for handler in logger.handlers if isinstance(handler.formatter, Lines | JsonLines)]
    for line in lines:
        if ours:
            logger.error("%s", line)
        if not ours or isinstance(ours[0], LogFile):
            print(f"ERROR {printable(line)}", file=sys.stderr)


def printable(text: str) -> str:
    """What a file or a program says may be told of, but must not act on the terminal, nor make lines of its own."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _takes_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class Lines(logging.Formatter):
    """``LEVEL message``."""

    def __init__(self, *, times: bool, colours: bool) -> None:
        super().__init__()
        self._times = times
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """A line; more of them where an exception has come with it."""
        level = record.levelname
        if self._colours:
            level = f"\x1b[{_COLOURS.get(record.levelno, '0')}m{level}\x1b[0m"
        lines = [f"{level} {printable(record.getMessage())}"]
        if record.exc_info:
            lines += map(printable, self.formatException(record.exc_info).splitlines())
        return (f"{_utc(record)} " if self._times else "") + "\n".join(lines)


class JsonLines(logging.Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, with an exception as one text."""
        told = {"timestamp": _utc(record), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


class StandardError(logging.Handler):
    """Standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        # where nobody listens any more, there is nobody to tell
        with contextlib.suppress(OSError), transient.erased():
            print(self.format(record), file=sys.stderr, flush=True)


class Transient:
    """A text on the terminal that goes again: with the next line of the log, or when it is erased."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown = False

    def show(self, text: str) -> None:
        """Shows it, in the place of what was shown before."""
        with contextlib.suppress(OSError), self._lock:
            self._shown = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def erased(self) -> Iterator[None]:
        """Nothing is shown, and nobody shows anything meanwhile."""
        with self._lock:
            if self._shown:
                self._shown = False
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            yield


transient = Transient()
"""On standard error."""


class LogFile(logging.Handler):
    """A file that is added to, and opened anew after it was moved away."""

    def __init__(self, path: str) -> None:
        """Opens it, readable by its owner alone.

        Raises:
            OutputError: it cannot be opened.
        """
        super().__init__()
        self._path = f"{os.getcwd()}/{path}" if not path.startswith("/") else path  # noqa: PTH109 - as in output.py
        self._failed = False
        try:
            self._fd, _ = open_private(self._path, os.O_APPEND)
        except OSError as error:
            raise OutputError(f"--log option:log-file={path}: {error.strerror}") from error

    def reopen(self) -> None:
        """Goes on in the file that now has the name.

        Raises:
            OSError: it cannot be opened; the old one is written to further on.
        """
        fd, _ = open_private(self._path, os.O_APPEND)
        # at once, whatever another thread is about to write
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line, in one piece. Where that fails, standard error is told, once until it goes well again."""
        line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        try:
            os.write(self._fd, line)
            self._failed = False
        except OSError as error:
            if not self._failed:
                print(f"ERROR --log option:log-file={self._path}: {error.strerror}", file=sys.stderr)
            self._failed = True

    def close(self) -> None:
        """Closes the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()
