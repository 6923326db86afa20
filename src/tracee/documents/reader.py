"""YAML nodes become what they should be. Whatever is wrong is told with its line, and reading goes on."""

from __future__ import annotations

from collections.abc import Sequence

from tracee.documents.nodes import MappingNode, Node, ScalarNode, SequenceNode, line_of
from tracee.documents.problem import Problem
from tracee.events import nearest_hint

_TYPES = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
}


class NodeReader:
    """Reads nodes of one file: a base for who knows what they mean."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems

    def _fail(self, node: Node, message: str) -> None:
        self._problems.append(Problem(self._file, self._line(node), message))

    def _line(self, node: Node) -> int:
        """Where the node begins in the file, counted from 1."""
        return line_of(node)

    def _mapping(self, node: Node, what: str, known: Sequence[str]) -> dict[str, Node] | None:
        """What stands under each key."""
        if not isinstance(node, MappingNode):
            self._fail(node, f"{what} must be keys and values ({', '.join(known)}), not {type_of(node)}")
            return None
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else type_of(key)
            if name in lines:
                self._fail(key, f'the key "{name}" is there twice: first in line {lines[name]}')
                continue
            lines[name] = self._line(key)
            if known and (name not in known or not isinstance(key, ScalarNode)):
                self._fail(key, f'unknown key "{name}" in {what}{nearest_hint(name, known)}')
            else:
                found[name] = value
        return found

    def _list(self, node: Node | None, parent: Node, what: str) -> list[Node] | None:
        if node is None:
            self._fail(parent, f"{what} is missing")
        elif isinstance(node, SequenceNode):
            return list(node.value)
        elif type_of(node) == "nothing":
            self._fail(node, f"{what} is empty: leave it out, or say what stands in it")
        else:
            self._fail(node, f"{what} must be a list, not {type_of(node)}")
        return None

    def _text(self, node: Node | None, parent: Node, what: str) -> str | None:
        if node is None:
            self._fail(parent, f"{what} is missing")
            return None
        if isinstance(node, ScalarNode) and type_of(node) == "text":
            return str(node.value)
        quotes = ": put it in quotes" if isinstance(node, ScalarNode) and node.value else ""
        self._fail(node, f"{what} must be text, not {type_of(node)}{quotes}")
        return None


def type_of(node: Node) -> str:
    """What a node is, in a user's words."""
    if isinstance(node, MappingNode):
        return "keys and values"
    if isinstance(node, SequenceNode):
        return "a list"
    return _TYPES.get(str(node.tag).rpartition(":")[2], "something else")
