"""What a signature says of itself."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple


class Severity(enum.IntEnum):
    """How much a finding matters."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Field(NamedTuple):
    """A field that findings have: ``--events list`` shows it, and ``--filter data.NAME=`` tests it."""

    name: str
    type: str = "const char*"
    """The C type, as JSON shows it: ``const char*``, ``const char**``, ``int``, ``u32``, ``u64``, ``bool``."""
    about: str = ""


class Metadata(NamedTuple):
    """What a signature says of itself; each finding carries it."""

    id: str
    """Unique among signatures, and stable: ``TRC-107``."""
    name: str
    """For people: ``LD_PRELOAD``."""
    event_name: str
    """Of the findings, as ``--events`` and policies name them: ``ld_preload``."""
    description: str
    version: str = "1.0.0"
    severity: Severity = Severity.MEDIUM
    category: str = ""
    """ATT&CK's tactic, as its address spells it: ``defense-evasion``."""
    technique_id: str = ""
    technique: str = ""
    tags: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    properties: tuple[tuple[str, Any], ...] = ()
    """More of them: (name, what JSON can hold)."""

    def as_dict(self) -> dict[str, Any]:
        """The plain form, with the keys that signatures in the manual use."""
        properties: dict[str, Any] = {"Severity": int(self.severity)}
        if self.category:
            properties["Category"] = self.category
        if self.technique_id:
            properties["Technique"] = self.technique_id
        if self.technique:
            properties["MITRE ATT&CK"] = self.technique
        return {
            "ID": self.id,
            "Version": self.version,
            "Name": self.name,
            "EventName": self.event_name,
            "Description": self.description,
            "Tags": list(self.tags),
            "Properties": properties | dict(self.properties),
        }
