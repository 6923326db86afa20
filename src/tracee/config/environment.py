"""Environment variables: ``TRACEE_LOG=debug`` is ``--log debug``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tracee.config.layers import Known, Layer, Takes, Word
from tracee.errors import InputError
from tracee.events import nearest_hint

PREFIX = "TRACEE_"
_SWITCH = {
    **dict.fromkeys(("true", "yes", "on", "1"), "true"),
    **dict.fromkeys(("false", "no", "off", "0"), "false"),
}
_OF_KUBERNETES = re.compile(r"(.*_)?SERVICE_(HOST|PORT(_.*)?)|(.*_)?PORT(_.*)?")
"""What Kubernetes sets for a service that is called tracee."""


def variable(name: str) -> str:
    """The variable of a setting."""
    return PREFIX + name.upper().replace("-", "_")


def read_environment(known: Known, environment: Mapping[str, str], problems: list[str]) -> tuple[Layer, list[str]]:
    """What the environment says; an empty variable says nothing.

    Args:
        known: all settings.
        environment: variables by name.
        problems: gets what is wrong, a line each.

    Returns:
        What it says, and remarks on variables that look like ours and are not.
    """
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
    if not ours:
        return {}, []
    layer: Layer = {}
    for name, takes in known.items():
        key = variable(name)
        text = ours.pop(key, None)
        if text is None:
            continue
        try:
            layer[name] = [Word(word, key) for word in _words(takes, text)]
        except (InputError, ValueError) as error:
            problems.append(f"{key}: {error}")
    return layer, [remark for remark in (_remark(key, known) for key in ours) if remark]


def _words(takes: Takes, text: str) -> list[str]:
    if takes is Takes.VALUE:
        return [text]
    if takes is Takes.NOTHING:
        if text.lower() not in _SWITCH:
            raise InputError(f'"{text}" is neither true nor false')
        return [_SWITCH[text.lower()]]
    import shlex

    return shlex.split(text)


def _remark(key: str, known: Known) -> str:
    word = key.removeprefix(PREFIX)
    if _OF_KUBERNETES.fullmatch(word):
        return ""
    hint = nearest_hint(word, [variable(name).removeprefix(PREFIX) for name in known])
    hint = hint.replace(": ", f": {PREFIX}")
    return f"environment variable {key} says nothing to tracee{hint}" if hint else ""
