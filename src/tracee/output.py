"""Where events go, and in which form, as ``--output`` takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tracee import _core
from tracee.errors import InputError
from tracee.events import nearest_hint

if TYPE_CHECKING:
    # imported only where there are sinks: every start would pay for it
    from tracee.sinks import SinkSettings
    from tracee.sinks.frame.delivery import SpoolSettings

FORMATS = ("table", "json")
TEMPLATE = "gotemplate"
"""A format with a file of its own: ``gotemplate=FILE``."""
OPTIONS = (
    "parse-arguments",
    "detect-only",
    "relative-timestamp",
    "no-timestamp",
    "exec-env",
    "exec-hash",
    "sort-events",
    "out-file=",
    "capture-dir=",
    "rotate-size=",
    "rotate-time=",
    "rotate-keep=",
    "spool-dir=",
    "spool-size=",
)
STDOUT = "stdout"
_MOST = 1 << 40
TO_SINKS = -1
"""Stands for a descriptor: the core keeps those events for the sinks."""


class Output(NamedTuple):
    """A format and the file it goes to; ``stdout`` is standard output."""

    format: str
    to: str = STDOUT
    template: tuple[str, str] | None = None
    """Of ``gotemplate``: its text, and its file's name."""


class Rotation(NamedTuple):
    """When a file is moved aside, and how many of those are kept: ``FILE.1`` is the last."""

    size: int | None
    """In bytes; None: whatever it is."""
    seconds: float | None
    """Since it was begun; None: however long."""
    keep: int = 7


class OutputSettings(NamedTuple):
    """All of ``--output``."""

    outputs: tuple[Output, ...] = (Output("table"),)
    parse_arguments: bool = False
    exec_env: bool = False
    exec_hash: bool = False
    times: str = "wall"
    """``relative``: to the start. ``none``: without."""
    detect_only: bool = False
    rotation: Rotation | None = None
    capture_folder: str | None = None
    sinks: tuple[SinkSettings, ...] = ()
    """Receivers that all events are sent to, see :mod:`tracee.sinks`."""
    spool: SpoolSettings | None = None
    """None: as usual."""


def parse_outputs(texts: Sequence[str], receivers: Sequence[SinkSettings] = ()) -> OutputSettings:
    """Reads ``json``, ``json:FILE``, ``gotemplate=TEMPLATE:FILE``, ``option:NAME``, each as often as it comes.

    Args:
        texts: as they were given.
        receivers: more of them than the texts name.

    Raises:
        InputError: an unknown format or option, a template that is none, or two outputs to one place.
    """
    outputs: list[tuple[str, str | None, tuple[str, str] | None]] = []
    sinks: list[SinkSettings] = list(receivers)
    options: dict[str, str] = {}
    for text in texts:
        kind, colon, rest = text.partition(":")
        if kind == "option":
            options.update(_option(word) for word in rest.split(","))
        elif kind in FORMATS:
            if colon and not rest:
                raise InputError(f'--output "{text}": a file name is missing')
            outputs.append((kind, rest or None, None))
        elif kind.partition("=")[0] == TEMPLATE:
            outputs.append((TEMPLATE, rest or None, _template(kind.partition("=")[2])))
        else:
            sinks.append(_sink(kind, text))
    usual = options.get("out-file", STDOUT)
    if not outputs and not sinks:
        outputs.append(("table", None, None))
    placed = [Output(format, to or usual, template) for format, to, template in outputs]
    for output in placed:
        if sum(other.to == output.to for other in placed) > 1:
            raise InputError(f"--output: two outputs go to {output.to}")
    if len({sink.url for sink in sinks}) < len(sinks):
        raise InputError("--output: two sinks have the same URL")
    return OutputSettings(
        tuple(placed),
        parse_arguments="parse-arguments" in options,
        exec_env="exec-env" in options,
        exec_hash="exec-hash" in options,
        times=_times(options),
        detect_only="detect-only" in options,
        rotation=_rotation(options, placed),
        capture_folder=options.get("capture-dir"),
        sinks=tuple(sinks),
        spool=_spool(options),
    )


def _sink(kind: str, text: str) -> SinkSettings:
    from tracee.sinks import kinds, parse

    known = kinds()
    if kind not in known:
        words = [*FORMATS, TEMPLATE, *known, "option"]
        raise InputError(f'--output: unknown format "{kind}"{nearest_hint(kind, words)}')
    return parse(text)


def _template(path: str) -> tuple[str, str]:
    """The text of a template that makes sense, and its file's name."""
    if not path:
        raise InputError(f"--output {TEMPLATE}: the template's file is missing: {TEMPLATE}=FILE")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise InputError(f"--output {TEMPLATE}={path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--output {TEMPLATE}={path}: it is not UTF-8") from error
    wrong = _core.check_template(text)
    if wrong:
        raise InputError(f"--output {TEMPLATE}: {path}:{wrong[0]}: {wrong[1]}")
    return text, path


def _times(options: dict[str, str]) -> str:
    if "relative-timestamp" in options and "no-timestamp" in options:
        raise InputError("--output: option:relative-timestamp and option:no-timestamp exclude each other")
    return "relative" if "relative-timestamp" in options else "none" if "no-timestamp" in options else "wall"


def _rotation(options: dict[str, str], outputs: Sequence[Output]) -> Rotation | None:
    given = [name for name in ("rotate-size", "rotate-time", "rotate-keep") if name in options]
    if not given:
        return None
    if all(output.to == STDOUT for output in outputs):
        raise InputError(f"--output option:{given[0]}: no output goes to a file")
    from tracee.sinks.frame.options import seconds, size

    most = _quantity(options, "rotate-size", size)
    age = _quantity(options, "rotate-time", seconds)
    if most is None and age is None:
        raise InputError("--output option:rotate-keep: there is neither rotate-size nor rotate-time")
    keep = _quantity(options, "rotate-keep", int)
    return Rotation(most, age) if keep is None else Rotation(most, age, keep)


_Number = TypeVar("_Number", int, float)


def _quantity(options: dict[str, str], name: str, read: Callable[[str], _Number]) -> _Number | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        value = read(text)
    except ValueError as error:
        raise InputError(f"--output option:{name}={text}: {error}") from error
    if value < 0 or (value == 0 and name != "rotate-keep") or value > _MOST:
        raise InputError(f"--output option:{name}={text}: out of range")
    return value


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
