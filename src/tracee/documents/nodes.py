"""YAML as nodes that know their lines, with bounds on what a file can make of a few bytes."""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
)
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["DocumentError", "MappingNode", "Node", "ScalarNode", "SequenceNode", "documents", "line_of"]

MOST_NODES = 100_000
"""Values in a file, those counted again that an alias repeats."""
MOST_DEPTH = 32
_PREFIX = "tag:yaml.org,2002:"
_TAGS = {_PREFIX + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(Exception):
    """The text is no YAML, or more than we take."""

    def __init__(self, line: int, message: str) -> None:
        """``line``: counted from 1."""
        super().__init__(message)
        self.line = line


def line_of(node: Node) -> int:
    """Where the node begins, counted from 1."""
    return int(node.start_mark.line) + 1


def documents(text: str) -> Iterator[Node]:
    """The documents of a file, empty ones left out.

    Raises:
        DocumentError: after the documents that come before the place.
    """
    whole, error = _examine(text)
    loader = _LOADER(text)
    try:
        # what was examined is known to be YAML, and bounded
        while whole > 0 and loader.check_node():
            whole -= 1
            node = loader.get_node()
            if node is not None and not (isinstance(node, ScalarNode) and node.tag == _PREFIX + "null"):
                yield node
    finally:
        loader.dispose()
    if error:
        raise error


def _examine(text: str) -> tuple[int, DocumentError | None]:
    """How many documents are whole and within the bounds, and what is wrong with the next one."""
    whole = 0
    bounds = _Bounds()
    try:
        for event in yaml.parse(text, _LOADER):
            bounds.take(event)
            whole += isinstance(event, DocumentEndEvent)
    except DocumentError as error:
        return whole, error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f", {error.context}" if error.context else ""
        if error.context_mark and error.context_mark.line != (mark.line if mark else -1):
            context += f" begun in line {error.context_mark.line + 1}"
        return whole, DocumentError(mark.line + 1 if mark else 1, f"{error.problem}{context}")
    except yaml.reader.ReaderError as error:
        refused = yaml.reader.Reader.NON_PRINTABLE.search(text)
        if not refused:
            return whole, DocumentError(1, f"{error.reason}, at position {error.position}")
        line = text.count("\n", 0, refused.start()) + 1
        return whole, DocumentError(line, f"character U+{ord(refused[0]):04X} is not allowed in YAML")
    return whole, None


class _Bounds:
    """What the events of a file add up to."""

    def __init__(self) -> None:
        self._nodes = 0
        self._open: list[tuple[str | None, int]] = []
        self._sizes: dict[str, int | None] = {}

    def take(self, event: yaml.Event) -> None:
        """Counts an event.

        Raises:
            DocumentError: it goes too far.
        """
        if isinstance(event, DocumentStartEvent):
            self._sizes = {}
        elif isinstance(event, CollectionEndEvent):
            anchor, before = self._open.pop()
            if anchor:
                self._sizes[anchor] = self._nodes - before
        if not isinstance(event, NodeEvent):
            return
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, AliasEvent):
            self._nodes += self._size_of(str(event.anchor), line)
        else:
            self._take_node(event, line)
        if self._nodes > MOST_NODES:
            raise DocumentError(line, f"more than {MOST_NODES} values, what an alias (*) repeats counted again")

    def _take_node(self, event: NodeEvent, line: int) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _TAGS:
            raise DocumentError(line, f'the tag "{tag}" is not allowed')
        if event.anchor in self._sizes:
            raise DocumentError(line, f'"&{event.anchor}" is there twice')
        if isinstance(event, CollectionStartEvent):
            self._open.append((event.anchor, self._nodes))
            if event.anchor:
                self._sizes[event.anchor] = None
            if len(self._open) > MOST_DEPTH:
                raise DocumentError(line, f"nested more than {MOST_DEPTH} levels deep")
        elif isinstance(event, ScalarEvent) and event.anchor:
            self._sizes[event.anchor] = 1
        self._nodes += 1

    def _size_of(self, anchor: str, line: int) -> int:
        if anchor not in self._sizes:
            raise DocumentError(line, f'the alias "*{anchor}" stands for nothing: there is no "&{anchor}" before it')
        size = self._sizes[anchor]
        if size is None:
            raise DocumentError(line, f'"&{anchor}" contains itself')
        return size
