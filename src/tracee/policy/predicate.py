"""One condition: ``uid!=0``, ``data.pathname=/etc/*,/tmp/*``, ``follow``."""

from __future__ import annotations

import re
from typing import NamedTuple

from tracee.errors import InputError

_PARTS = re.compile(r"([A-Za-z_][\w.-]*)(?:(!=|<=|>=|=|<|>)(.*))?", re.DOTALL)


class Predicate(NamedTuple):
    """A field, an operator and the values it takes one of; a field that stands alone has neither."""

    field: str
    op: str = ""
    values: tuple[str, ...] = ()
    line: int = 0
    """Where it stands in the policy's file; 0: it was given as a flag."""
    also: tuple[str, ...] = ()
    """What the values stand for besides themselves: other paths of the files that they name."""

    @classmethod
    def parse(cls, text: str, line: int = 0) -> Predicate:
        """Reads ``text``, which stands in that line of a policy's file, or was given as a flag.

        Raises:
            InputError: it is no condition.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f'"{text}": not UTF-8; for bytes that are none, write *') from None
        parts = _PARTS.fullmatch(text)
        if not parts:
            raise InputError(f'"{text}": not FIELD, or FIELD, an operator (= != < > <= >=) and values')
        field, op, values = parts.groups()
        if op is None:
            return cls(field, line=line)
        if not values:
            raise InputError(f'"{text}": a value is missing')
        return cls(field, op, tuple(values.split(",")), line)

    def __str__(self) -> str:
        return f"{self.field}{self.op}{','.join(self.values)}"
