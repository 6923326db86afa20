"""Which events: names, sets and wildcards, as ``--events`` takes them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tracee import _core
from tracee.errors import InputError

DEFAULT = "default"
SIGNATURES = "signatures"
"""The category of what signatures find."""
FINDING_SETS = (SIGNATURES, "all-signatures", DEFAULT)
"""Sets that all findings are in."""
ALL = "all"


@cache
def catalogue() -> dict[str, _core.EventKind]:
    """The kinds of events that the kernel tells, or that are made of those, by name, in the catalogue's order."""
    return {kind.name: kind for kind in _core.events()}


_findings: dict[str, _core.EventKind] = {}
"""What signatures find; empty until somebody asks for it, since that takes longer than all else at the start."""


def find_findings() -> None:
    """Has :func:`kinds` and :func:`sets` tell of what signatures find, too."""
    if not _findings:
        from tracee.detect.known import known

        _findings.update({name: signature.kind for name, signature in known().items()})
        kinds.cache_clear()
        sets.cache_clear()


def forget_findings() -> None:
    """There are other signatures now."""
    _findings.clear()
    kinds.cache_clear()
    sets.cache_clear()


@cache
def kinds() -> dict[str, _core.EventKind]:
    """Every kind of event, by name, in the catalogue's order; what signatures find comes last, see
    :func:`find_findings`."""
    return catalogue() | _findings


@cache
def sets() -> dict[str, list[str]]:
    """The names of the events in each set, by the set's name; categories are sets too."""
    return _sets_of(kinds())


@cache
def _plain_sets() -> dict[str, list[str]]:
    """Those that no finding is in."""
    return {name: events for name, events in _sets_of(catalogue()).items() if name not in FINDING_SETS}


def _sets_of(all_kinds: dict[str, _core.EventKind]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in all_kinds.values():
        for name in dict.fromkeys((kind.category, *kind.sets)):
            found.setdefault(name, []).append(kind.name)
    return found


def select(words: Iterable[str]) -> list[str]:
    """The events that ``words`` stand for, each once, in the catalogue's order.

    A word is an event, a set, ``all``, or a name with ``*``; with a ``-`` before it, it takes away. Words that only
    take away take from the default set.

    Raises:
        InputError: a word that is none of these, with the nearest that is; or nothing is left.
    """
    chosen: set[str] = set()
    left_out: set[str] = set()
    added = False
    for word in words:
        if word.startswith("-"):
            left_out.update(_of_flag(word[1:]))
        else:
            chosen.update(_of_flag(word))
            added = True
    if not added:
        chosen.update(matching(DEFAULT))
    # what tracee tells of itself is always told
    result = [name for name, kind in kinds().items() if name in chosen - left_out and kind.category != "control"]
    if not result:
        raise InputError("--events: no event is left")
    return result


def _of_flag(word: str) -> list[str]:
    try:
        return matching(word, "list")
    except InputError as error:
        raise InputError(f"--events: {error}") from None


def matching(word: str, *others: str) -> list[str]:
    """The events that one word stands for.

    Args:
        word: an event, a set, ``all``, or a name with ``*``.
        others: what else may be meant where it is none of these.

    Raises:
        InputError: it is none; with the nearest that is.
    """
    if word in catalogue():
        return [word]
    if word in _plain_sets():
        return _plain_sets()[word]
    find_findings()
    if word == ALL:
        return list(kinds())
    if word in kinds():
        return [word]
    if word in sets():
        return sets()[word]
    if "*" in word:
        from fnmatch import fnmatchcase

        found = [name for name in kinds() if fnmatchcase(name, word)]
        if found:
            return found
        raise InputError(f'no event matches "{word}"')
    raise InputError(f'unknown event "{word}"{nearest_hint(word, [*kinds(), *sets(), ALL, *others])}')


def nearest_hint(word: str, known: Iterable[str]) -> str:
    """`` (nearest: WORD)``, or nothing where no known word is near."""
    # an argument may have any bytes
    nearest = _core.nearest(word.encode(errors="replace").decode(), list(known))
    return f" (nearest: {nearest})" if nearest else ""


def listing() -> str:
    """A line for every event: its name, its category, its sets; of what signatures find also the fields."""
    find_findings()
    width = max(map(len, kinds()))
    lines = [f"{'EVENT':{width}}  {'CATEGORY':10}  SETS"]
    for kind in kinds().values():
        others = " ".join(name for name in kind.sets if name != kind.category)
        # of what signatures find, nothing else tells the fields
        own = kind.args if kind.category == SIGNATURES else ()
        fields = f"  ({', '.join(f'{arg.type} {arg.name}' for arg in own)})" if own else ""
        lines.append(f"{kind.name:{width}}  {kind.category:10}  {others}{fields}".rstrip())
    return "\n".join(lines)
