"""What signatures say of themselves, in either form: our classes, or plain dicts as in the manual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracee.detect.metadata import Field, Metadata, Severity
from tracee.detect.selected import Selected
from tracee.detect.signature import Signature
from tracee.errors import InputError
from tracee.events import nearest_hint

_TEXTS = {"ID": "id", "Version": "version", "Name": "name", "EventName": "event_name", "Description": "description"}
_KEYS = (*_TEXTS, "Tags", "Properties", "Fields")
_NEEDED = ("ID", "Name", "EventName")


def metadata_from(cls: type[Signature]) -> Metadata:
    """What a signature says of itself.

    Raises:
        InputError: something of it is missing, or cannot be.
    """
    own = cls.get_metadata is not Signature.get_metadata
    if not own and not hasattr(cls, "metadata"):
        raise InputError("no metadata: set metadata = Metadata(...), or define get_metadata")
    said = cls().get_metadata() if own else cls.metadata
    if isinstance(said, Metadata):
        return said
    if not isinstance(said, Mapping):
        raise InputError(f"its metadata is a {type(said).__name__}, neither Metadata nor a dict")
    return _metadata_from(said)


def _metadata_from(said: Mapping[str, Any]) -> Metadata:
    problems = [f'metadata: unknown key "{key}"{nearest_hint(str(key), _KEYS)}' for key in said if key not in _KEYS]
    problems += [f'metadata: "{key}" is missing' for key in _NEEDED if not said.get(key)]
    problems += [f'metadata: "{key}" must be text' for key in _TEXTS if not isinstance(said.get(key, ""), str)]
    properties = said.get("Properties") or {}
    if not isinstance(properties, Mapping):
        problems.append('metadata: "Properties" must be a dict')
        properties = {}
    try:
        severity = Severity(properties.get("Severity", Severity.MEDIUM))
    except ValueError:
        problems.append(f"metadata: Severity {properties['Severity']!r} is none: 0 (info) to 4 (critical)")
        severity = Severity.MEDIUM
    if problems:
        raise InputError(*problems)
    ours = ("Severity", "Category", "Technique", "MITRE ATT&CK")
    return Metadata(
        severity=severity,
        category=str(properties.get("Category", "")),
        technique_id=str(properties.get("Technique", "")),
        technique=str(properties.get("MITRE ATT&CK", "")),
        tags=tuple(map(str, said.get("Tags") or ())),
        fields=tuple(_field(field) for field in said.get("Fields") or ()),
        properties=tuple((str(key), value) for key, value in properties.items() if key not in ours),
        **{ours: said[key] for key, ours in _TEXTS.items() if key in said}
        | {"description": said.get("Description", "")},
    )


def _field(said: object) -> Field:
    if isinstance(said, Field):
        return said
    if isinstance(said, str):
        return Field(said)
    if isinstance(said, Mapping) and "Name" in said:
        return Field(str(said["Name"]), str(said.get("Type", "const char*")), str(said.get("Description", "")))
    raise InputError(f'metadata: {said!r} is no field: write its name, or {{"Name": ..., "Type": ...}}')


def selected_from(cls: type[Signature]) -> tuple[Selected, ...]:
    """The events that a signature selects.

    Raises:
        InputError: one of them is none.
    """
    own = cls.get_selected_events is not Signature.get_selected_events
    said = cls().get_selected_events() if own else cls.selected
    if isinstance(said, (str, Mapping)) or not isinstance(said, Sequence):
        raise InputError("the selected events must be a list")
    return tuple(map(_selected, said))


def _selected(said: object) -> Selected:
    if isinstance(said, Selected):
        return said
    if isinstance(said, str):
        return Selected(said)
    if not isinstance(said, Mapping):
        raise InputError(f"{said!r} is no selected event: neither Selected nor a dict")
    known = ("Source", "Name", "Filters", "Origin")
    for key in said:
        if key not in known:
            raise InputError(f'selected event: unknown key "{key}"{nearest_hint(str(key), known)}')
    if said.get("Source", "tracee") != "tracee":
        raise InputError(f'selected event: the only Source is "tracee", not {said["Source"]!r}')
    if not isinstance(said.get("Name"), str):
        raise InputError(f'selected event: "Name" is missing in {dict(said)!r}')
    filters = [str(text) for text in said.get("Filters") or ()]
    origin = said.get("Origin", "*")
    if origin not in ("*", "container", "host"):
        raise InputError(f'selected event: Origin is "*", "container" or "host", not {origin!r}')
    origins = {"*": [], "container": ["container"], "host": ["not-container"]}
    return Selected(said["Name"], *origins[origin], *filters)
