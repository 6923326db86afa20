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

    @classmethod
    def parse(cls, text: str, flag: str) -> Predicate:
        """Reads ``text``, given with ``flag``.

        Raises:
            InputError: it is no condition.
        """
        parts = _PARTS.fullmatch(text)
        if not parts:
            raise InputError(f'{flag} "{text}": not FIELD, or FIELD, an operator (= != < > <= >=) and values')
        field, op, values = parts.groups()
        if op is None:
            return cls(field)
        if not values:
            raise InputError(f'{flag} "{text}": a value is missing')
        return cls(field, op, tuple(values.split(",")))

    def __str__(self) -> str:
        return f"{self.field}{self.op}{','.join(self.values)}"
