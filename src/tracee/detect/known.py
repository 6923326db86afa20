"""All signatures that there are: what they say of themselves, and what they select, known before any of them runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from tracee import _core
from tracee.detect import loading
from tracee.detect.forms import metadata_from, selected_from
from tracee.detect.loading import BUILT_IN, Found
from tracee.detect.metadata import Metadata
from tracee.detect.selected import Selected
from tracee.detect.signature import Signature
from tracee.documents.problem import Problem
from tracee.errors import InputError
from tracee.events import FINDING_SETS, SIGNATURES

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

_folders: tuple[str, ...] = ()


class Known(NamedTuple):
    """A signature."""

    cls: type[Signature]
    metadata: Metadata
    selected: tuple[Selected, ...]
    file: str
    line: int
    number: int
    """By which the core knows it."""
    kind: _core.EventKind
    """Of its findings."""

    @property
    def name(self) -> str:
        """Of its findings."""
        return self.metadata.event_name


def use_folders(folders: Sequence[str]) -> None:
    """Has the signatures in these folders known, too.

    Raises:
        InputError: all that is wrong with them.
    """
    global _folders
    if tuple(folders) != _folders:
        _folders = tuple(folders)
        known.cache_clear()
        from tracee import events

        events.forget_findings()
    known()


@cache
def known() -> dict[str, Known]:
    """All signatures, by the name of their findings: ours, then those of folders.

    Raises:
        InputError: all that is wrong with those of folders.
    """
    problems: list[Problem] = []
    found = [*loading.built_in()]
    for folder in _folders:
        found += loading.in_folder(folder, problems)
    made = _declare(found, problems)
    if problems:
        raise InputError(*dict.fromkeys(map(str, problems)))
    return made


def from_file(path: str) -> dict[str, Known]:
    """Those of one file alone.

    Raises:
        InputError: all that is wrong with them, or it has none.
    """
    problems: list[Problem] = []
    # beside ours, whose findings it may select
    all_made = _declare([*loading.built_in(), *loading.in_file(path, problems)], problems)
    made = {name: signature for name, signature in all_made.items() if signature.file == path}
    if problems:
        raise InputError(*dict.fromkeys(map(str, problems)))
    if not made:
        raise InputError(f"{path}: no class in it is a Signature")
    return made


def _declare(found: Sequence[Found], problems: list[Problem]) -> dict[str, Known]:
    """Declares them to the core; what is wrong with one is told, and it is left out."""
    made: dict[str, Known] = {}
    ids: dict[str, Known] = {}
    for one in found:
        try:
            metadata = metadata_from(one.cls)
            _check(metadata)
            selected = selected_from(one.cls)
            number, kind = _core.declare(_declaration(metadata))
        except InputError as error:
            problems += [Problem(one.file, one.line, f"{one.cls.__name__}: {line}") for line in error.lines]
            continue
        except Exception as error:  # noqa: BLE001 - what stands in the file may raise anything
            line = loading.line_in(one.file, error) or one.line
            problems.append(Problem(one.file, line, f"{one.cls.__name__}: {type(error).__name__}: {error}"))
            continue
        entry = Known(one.cls, metadata, selected, one.file, one.line, number, kind)
        taken = made.get(entry.name) or ids.get(metadata.id)
        if taken:
            what = f'EventName "{entry.name}"' if taken.name == entry.name else f'ID "{metadata.id}"'
            place = taken.file if taken.file == BUILT_IN else f"{taken.file}:{taken.line}"
            problems.append(Problem(one.file, one.line, f"the {what} is taken: {place} ({taken.metadata.name}) has it"))
            continue
        made[entry.name] = ids[metadata.id] = entry
    for entry in made.values():
        if entry.file != BUILT_IN:
            problems += _wrong_selection(entry, made)
    return made


def _check(metadata: Metadata) -> None:
    """Raises InputError for what cannot be."""
    from tracee.events import catalogue

    problems = []
    if not _NAME.fullmatch(metadata.event_name):
        problems.append(f'EventName "{metadata.event_name}" cannot be: small letters, digits and _')
    if metadata.event_name in catalogue():
        problems.append(f'EventName "{metadata.event_name}" is the name of an event already')
    if not metadata.id:
        problems.append("ID is missing")
    for field in metadata.fields:
        if not _FIELD.fullmatch(field.name):
            problems.append(f'the field "{field.name}" cannot be: letters, digits and _')
    if problems:
        raise InputError(*problems)


def _declaration(metadata: Metadata) -> str:
    return json.dumps(
        {
            "name": metadata.event_name,
            "id": metadata.id,
            "about": metadata.description,
            "category": SIGNATURES,
            "sets": list(FINDING_SETS),
            "fields": [{"name": field.name, "type": field.type} for field in metadata.fields],
            "detection": json.dumps(detection(metadata)),
        }
    )


def detection(metadata: Metadata) -> dict[str, Any]:
    """The object ``detection`` of JSON."""
    return {
        "id": metadata.id,
        "version": metadata.version,
        "name": metadata.name,
        "description": metadata.description,
        "severity": int(metadata.severity),
        "category": metadata.category,
        "techniqueId": metadata.technique_id,
        "technique": metadata.technique,
        "tags": list(metadata.tags),
        "properties": metadata.as_dict()["Properties"],
    }


def _wrong_selection(entry: Known, made: Mapping[str, Known]) -> list[Problem]:
    """What the core finds wrong with what an own signature selects."""
    from tracee.detect.plan import rules_of

    def problem(text: str) -> Problem:
        return Problem(entry.file, entry.line, f"{entry.cls.__name__}: {text}")

    try:
        rules = rules_of(entry)
    except InputError as error:
        return [problem(line) for line in error.lines]
    if not rules.rules:
        return [problem("it selects no event")]
    from tracee.policy.plan import Plan

    plan = Plan((), signatures=(rules,))
    found = []
    for _, rule, place, message in _core.check(plan.to_json()):
        what = ""
        if rule is not None:
            selected = rules.rules[rule]
            what = f'{selected.event} "{selected.filters[place]}": ' if place is not None else ""
        found.append(problem(f"{what}{message}"))
    return found
