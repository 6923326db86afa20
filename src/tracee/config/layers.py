"""What was said of each setting, and where; what was said nearer to the user goes before the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

FLAG = ""
"""The origin of what stands on the command line; others are ``FILE:LINE`` and names of variables."""
DEFAULT = "default"
RECEIVERS = "receivers"
_BY_NAME = ("capabilities",)
"""Settings whose words are ``NAME=VALUE``, each for itself."""


class Takes(Enum):
    """What stands behind a flag."""

    WORDS = "words"
    """... and it may be given again."""
    VALUE = "value"
    NOTHING = "nothing"


class Word(NamedTuple):
    """One word as the flag would take it, and where it was said."""

    text: str
    origin: str = FLAG
    options: Mapping[str, object] | None = None
    """Of a receiver in a file: what is said of it beside its kind and URL, which are the text."""


Known = Mapping[str, Takes]
"""All settings by their names, which are their flags' without the dashes."""
Layer = dict[str, list[Word]]
"""What was said in one place, by setting. Of switches the word is ``true`` or ``false``."""


def merge(layers: Iterable[Layer]) -> Layer:
    """What holds, of layers in order of their strength, the strongest first.

    A stronger layer replaces what a weaker one says of the same thing. Each option is such a thing, and so are all
    formats together, and all receivers together.
    """
    chosen: dict[tuple[str, str], list[Word]] = {}
    for layer in layers:
        here: dict[tuple[str, str], list[Word]] = {}
        for name, words in layer.items():
            for thing, word in things(name, words):
                here.setdefault((name, thing), []).append(word)
        for key, words in here.items():
            chosen.setdefault(key, words)
    merged: Layer = {}
    for (name, _), words in chosen.items():
        merged.setdefault(name, []).extend(words)
    return merged


def things(name: str, words: Sequence[Word]) -> Iterator[tuple[str, Word]]:
    """The words of a setting one by one, options apart, each with what it is about."""
    for word in words:
        prefix, colon, rest = word.text.partition(":")
        if prefix == "option" and colon:
            for piece in rest.split(","):
                yield "option " + piece.partition("=")[0], word._replace(text=f"option:{piece}")
        elif name in _BY_NAME:
            yield word.text.partition("=")[0], word
        else:
            yield RECEIVERS if name == "output" and "://" in word.text else "", word
