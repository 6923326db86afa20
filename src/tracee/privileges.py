"""What tracee may still do once it traces: what it needs, and no more."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from tracee import _core
from tracee.errors import InputError
from tracee.events import nearest_hint
from tracee.log import logger

_PREFIX = "CAP_"
_WORDS = ("bypass=", "add=", "drop=")

_ALWAYS = {
    "CAP_BPF": "maps are read and written",
    "CAP_SYS_PTRACE": "/proc of others' processes is read",
    "CAP_DAC_READ_SEARCH": "their files are read",
}
_FOR_POLICIES = {
    "CAP_PERFMON": "programs for replaced policies are loaded",
    "CAP_NET_ADMIN": "those for packets, too",
    "CAP_SYSLOG": "kernel symbols are read for them",
    "CAP_CHECKPOINT_RESTORE": "mapped files that have no path any more are read for them",
}


class PrivilegeSettings(NamedTuple):
    """All of ``--capabilities``."""

    bypass: bool = False
    """All are kept."""
    add: tuple[str, ...] = ()
    """Capabilities that are kept, too."""
    drop: tuple[str, ...] = ()
    """... and that are not, though they may be needed."""


@cache
def numbers() -> dict[str, int]:
    """Every capability by name."""
    names = {_core.capabilities(1 << number): number for number in range(64)}
    # the kernel has room for more than it has
    return {name: number for name, number in names.items() if name.startswith(_PREFIX)}


def parse_capabilities(texts: Sequence[str]) -> PrivilegeSettings:
    """Reads ``bypass=true``, ``add=CAP_X,CAP_Y`` and ``drop=CAP_X``.

    Raises:
        InputError: there is no such word or capability.
    """
    settings = PrivilegeSettings()
    for text in texts:
        word, equals, value = text.partition("=")
        if word + equals not in _WORDS:
            raise InputError(f'--capabilities: unknown word "{text}"{nearest_hint(word, [w[:-1] for w in _WORDS])}')
        if word == "bypass":
            if value not in ("true", "false"):
                raise InputError(f'--capabilities "{text}": bypass is true or false')
            settings = settings._replace(bypass=value == "true")
            continue
        named = tuple(_capability(name) for name in value.split(","))
        if word == "add":
            settings = settings._replace(add=(*settings.add, *named))
        else:
            settings = settings._replace(drop=(*settings.drop, *named))
    return settings


def _capability(word: str) -> str:
    name = word.strip().upper()
    name = name if name.startswith(_PREFIX) else _PREFIX + name
    if name not in numbers():
        raise InputError(f'--capabilities: there is no capability "{word}"{nearest_hint(name, numbers())}')
    return name


def needed(ways: Sequence[str], files: Iterable[str], *, replaces: bool) -> dict[str, str]:
    """What a trace needs further on, by name: and what for.

    Args:
        ways: in which its events are taken.
        files: paths that may be opened further on, for writing.
        replaces: its policies may be replaced.
    """
    found = dict(_ALWAYS)
    if any(way.startswith("scan:") for way in ways):
        found["CAP_SYSLOG"] = "kernel symbols are read"
    if any("shared_object_loaded" in way for way in ways):
        found["CAP_CHECKPOINT_RESTORE"] = "mapped files that have no path any more are read"
    if replaces:
        found = _FOR_POLICIES | found
    for file in files:
        if not _is_ours(file):
            found["CAP_DAC_OVERRIDE"] = f"{file} is in a folder that is not ours"
            break
    return found


def _is_ours(file: str) -> bool:
    folder, slash, _ = file.rpartition("/")
    try:
        found = os.stat(folder or slash or ".")  # noqa: PTH116 - as in output.py
    except OSError:
        # whoever opens it will be told
        return True
    ours = found.st_uid == os.geteuid() and found.st_mode & stat.S_IWUSR
    return bool(ours or found.st_mode & stat.S_IWOTH)


def give_up(settings: PrivilegeSettings, reasons: dict[str, str]) -> None:
    """Has all threads keep what is needed, and what was asked for; for good.

    Args:
        settings: of the user.
        reasons: capabilities by name, and what for.
    """
    if settings.bypass:
        logger.debug("privileges are kept")
        return
    kept = {**reasons, **dict.fromkeys(settings.add, "--capabilities")}
    for name in settings.drop:
        kept.pop(name, None)
    for name, reason in kept.items():
        logger.debug("%s is kept: %s", name, reason)
    try:
        _core.give_up_privileges(sum(1 << numbers()[name] for name in kept))
    except OSError as error:
        logger.warning("%s", error)
