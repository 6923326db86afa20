"""Words become settings. What is wrong with any of them is told with the place where it was said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from tracee import _core
from tracee.capture import CaptureSettings, parse_captures
from tracee.config.environment import PREFIX
from tracee.config.layers import DEFAULT, FLAG, Layer, Word
from tracee.config.settings import Settings
from tracee.container_settings import ContainerSettings, parse_sockets
from tracee.errors import InputError
from tracee.events import DEFAULT as DEFAULT_SET
from tracee.events import nearest_hint
from tracee.kernel import MOST_PAGES, KernelSettings
from tracee.log import LogSettings, parse_log
from tracee.output import OutputSettings, parse_outputs
from tracee.privileges import PrivilegeSettings, parse_capabilities
from tracee.server.settings import ServerSettings, parse_server

Made = TypeVar("Made")

DEFAULTS: Layer = {
    name: [Word(text, DEFAULT)]
    for name, text in {"attach": "best", "log": "warn", "perf-buffer-size": "1024", "sampling": "100"}.items()
}
"""The weakest layer: values of settings that always have one, and that depend on nothing else."""


def assemble(words: Layer, problems: Sequence[str] = (), remarks: Sequence[str] = ()) -> Settings:
    """The settings that these words make.

    Args:
        words: those that hold, see :func:`tracee.config.layers.merge`.
        problems: what is known to be wrong already, a line each.
        remarks: what is to be told of where they come from.

    Raises:
        InputError: all that is wrong.
    """
    given = _Given(words, list(problems))
    output = given.make("output", parse_outputs_and_receivers, OutputSettings())
    folder = given.text("capture-dir") or output.capture_folder
    capture = given.texts("capture", lambda texts: parse_captures(texts, folder), CaptureSettings())
    policies = given.plain("policy")
    watch = given.holds("watch-policies")
    if watch and not policies:
        given.problems.append("--watch-policies: there is no --policy to be watched")
    kernel = KernelSettings(
        perf_buffer_size=int(given.number("perf-buffer-size", 1, MOST_PAGES, whole=True)),
        sampling=given.number("sampling", 0, 100),
        exec_env=output.exec_env,
        statistics=given.holds("stats"),
        packet_bytes=capture.packet_bytes,
        attach=given.texts("attach", lambda texts: nearest_word("--attach", texts[-1], _core.ATTACH), ""),
        process_tree=not given.holds("no-process-tree"),
    )
    sockets = given.texts("runtime-sockets", parse_sockets, ContainerSettings().sockets)
    only_policies = policies and not (words.get("events") or words.get("scope") or words.get("filter"))
    texts = given.plain("events") or (() if only_policies else (DEFAULT_SET,))
    settings = Settings(
        events=tuple(word for text in texts for word in text.split(",") if word),
        scope=given.plain("scope"),
        filters=given.plain("filter"),
        policies=policies,
        watch_policies=watch,
        output=output,
        kernel=kernel,
        containers=ContainerSettings(not given.holds("no-containers-enrich"), sockets),
        capture=capture,
        signature_folders=given.plain("signatures-dir"),
        privileges=given.texts("capabilities", parse_capabilities, PrivilegeSettings()),
        server=given.texts("server", parse_server, ServerSettings()),
        log=given.texts("log", parse_log, LogSettings()),
        stats=given.holds("stats"),
        origins=_origins(words),
        remarks=tuple(remarks),
    )
    if given.problems:
        raise InputError(*sorted(dict.fromkeys(given.problems), key=_place))
    return settings


class _Given:
    """Words, read setting by setting; problems are collected, and what cannot be read is as if it had not been said."""

    def __init__(self, words: Layer, problems: list[str]) -> None:
        self._words = words
        self.problems = problems

    def plain(self, name: str) -> tuple[str, ...]:
        """The texts of a setting."""
        return tuple(word.text for word in self._words.get(name, ()))

    def text(self, name: str) -> str | None:
        """The text of a setting that has one."""
        texts = self.plain(name)
        return texts[-1] if texts else None

    def holds(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.text(name) == "true"

    def make(self, name: str, read: Callable[[Sequence[Word]], Made], otherwise: Made) -> Made:
        """What ``read`` makes of the setting's words."""
        words = self._words.get(name, [])
        try:
            return read(words)
        except InputError as error:
            self.problems += _placed(error, words, read)
            return otherwise

    def texts(self, name: str, read: Callable[[Sequence[str]], Made], otherwise: Made) -> Made:
        """What ``read`` makes of their texts."""
        return self.make(name, lambda words: read([word.text for word in words]), otherwise)

    def number(self, name: str, least: int, most: int, *, whole: bool = False) -> float:
        """A number within bounds."""
        return self.texts(name, lambda texts: _number(f"--{name}", texts[-1], least, most, whole=whole), float(least))


def parse_outputs_and_receivers(words: Sequence[Word]) -> OutputSettings:
    """All of ``--output``, receivers with options of their own among it.

    Raises:
        InputError: a word that cannot be.
    """
    from_file = [word for word in words if word.options is not None]
    if not from_file:
        return parse_outputs([word.text for word in words])
    from tracee import sinks

    receivers = []
    for word in from_file:
        kind, _, url = word.text.partition(":")
        receivers.append(sinks.settings(kind, url, word.options))
    return parse_outputs([word.text for word in words if word.options is None], receivers)


def _placed(error: InputError, words: Sequence[Word], read: Callable[[Sequence[Word]], object]) -> list[str]:
    """What is wrong, each line with the place of the word that it is about."""
    if all(word.origin == FLAG for word in words):
        return list(error.lines)
    lines: list[str] = []
    for word in words:
        try:
            read([word])
        except InputError as its:
            lines += [placed(line, word.origin) for line in its.lines]
    # where none is wrong alone, they are together
    return lines or [placed(line, words[-1].origin) for line in error.lines]


def placed(line: str, origin: str) -> str:
    """A line of an error with the place that it is about, where that is not the command line."""
    if origin in (FLAG, DEFAULT):
        return line
    told = line.removeprefix("--")
    if origin.startswith(PREFIX):
        told = told.partition(" ")[2] or told
    return f"{origin}: {told}"


def _origins(words: Layer) -> tuple[tuple[str, str], ...]:
    """By word, where it was said: of those words that are looked at only when the plan is made."""
    found = []
    for name in ("events", "scope", "filter"):
        for word in words.get(name, ()):
            if word.origin != FLAG:
                parts = word.text.split(",") if name == "events" else [word.text]
                found += [(part, word.origin) for part in parts]
    return tuple(found)


def _place(line: str) -> tuple[bool, str, int]:
    """Lines of files come in their order, before all others."""
    found = re.match(r"(.+?):(\d+): ", line)
    return (False, found[1], int(found[2])) if found else (True, "", 0)


def with_origins(lines: Sequence[str], origins: Sequence[tuple[str, str]]) -> list[str]:
    """Lines about a plan, each with the place of the word that it quotes, where that is in ``origins``."""
    found = []
    for line in lines:
        quoted = set(re.findall(r'"([^"]*)"', line))
        named = (origin for text, origin in origins if not quoted.isdisjoint((text, re.split(r"[=!<>]", text)[0])))
        found.append(placed(line, next(named, FLAG)))
    return found


def nearest_word(flag: str, word: str, known: Sequence[str]) -> str:
    """The word itself, where it is one of those known.

    Raises:
        InputError: it is not; with the nearest that is.
    """
    if word not in known:
        raise InputError(f'{flag}: unknown word "{word}"{nearest_hint(word, known)}')
    return word


def _number(flag: str, text: str, least: int, most: int, *, whole: bool = False) -> float:
    try:
        number: float = int(text) if whole else float(text)
    except ValueError:
        raise InputError(f'{flag}: "{text}" is no {"whole " if whole else ""}number') from None
    if not least <= number <= most:
        raise InputError(f"{flag}: {text} is out of range ({least} to {most})")
    return number
