"""Configuration files: YAML whose keys are the flags' names, with better forms for some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tracee.config.forms import FORMS
from tracee.config.layers import Known, Layer, Takes, Word, things
from tracee.documents.nodes import DocumentError, MappingNode, Node, ScalarNode, SequenceNode, documents, line_of
from tracee.documents.problem import Problem
from tracee.documents.reader import NodeReader, type_of
from tracee.documents.text import read_text
from tracee.events import nearest_hint

API_VERSION = "tracee.aquasec.com/v1beta1"
_TOP = ("apiVersion", "kind", "metadata", "spec")


def read_file(file: str, known: Known, problems: list[Problem]) -> Layer:
    """What a file says, all its documents together.

    Args:
        file: its path.
        known: all settings.
        problems: gets what is wrong with it.
    """
    text = read_text(file, problems)
    if text is None:
        return {}
    text, inserted = with_formats(text)
    reader = ConfigReader(file, problems, known, inserted)
    try:
        for node in documents(text):
            reader.document(node)
    except DocumentError as error:
        problems.append(Problem(file, error.line - (0 < inserted <= error.line), str(error)))
    return reader.layer


def with_formats(text: str) -> tuple[str, int]:
    """Under ``output:``, gives a list that stands beside keys the key ``formats``, which makes it proper YAML.

    Returns:
        The text, and which of its lines was inserted, counted from 1; 0: none was.
    """
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if found := re.fullmatch(r"( *)output:\s*(#.*)?\n?", line):
            block = list(_block(lines, number + 1, len(found[1])))
            if not block:
                continue
            indent = _indent(lines[block[0]])
            direct = [at for at in block if _indent(lines[at]) == indent]
            is_item = [bool(re.match(r" *-(\s|$)", lines[at])) for at in direct]
            # behind a key, items at its own indentation are its value
            if is_item[0] and not all(is_item):
                lines.insert(block[0], " " * indent + "formats:\n")
                return "".join(lines), block[0] + 1
    return text, 0


def _block(lines: list[str], start: int, parent: int) -> Iterable[int]:
    """Lines that stand under a key which is indented by ``parent``, without comments and empty lines."""
    for at in range(start, len(lines)):
        stripped = lines[at].strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped == "---" or _indent(lines[at]) <= parent:
            return
        yield at


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class ConfigReader(NodeReader):
    """Reads the documents of one file into a layer."""

    def __init__(self, file: str, problems: list[Problem], known: Known, inserted: int = 0) -> None:
        """``inserted``: the line that is not the user's, counted from 1; 0: none."""
        super().__init__(file, problems)
        self.layer: Layer = {}
        self._known = known
        self._inserted = inserted
        self._said: dict[tuple[str, str], tuple[Node, int]] = {}

    def _line(self, node: Node) -> int:
        line = line_of(node)
        return line - (0 < self._inserted <= line)

    def document(self, node: Node) -> None:
        """Reads one: the settings alone, or a resource of kind Config."""
        pairs = node.value if isinstance(node, MappingNode) else []
        keys = {key.value for key, _ in pairs if isinstance(key, ScalarNode)}
        if keys.isdisjoint(("kind", "spec", "apiVersion")):
            self._settings(node, "the configuration")
            return
        top = self._mapping(node, "a configuration", _TOP) or {}
        kind = self._text(top.get("kind"), node, "kind")
        if kind == "Policy":
            self._fail(node, "this document is of kind Policy: give it with --policy, in a file of its own")
            return
        if kind is not None and kind != "Config":
            self._fail(top["kind"], f'unknown kind "{kind}"{nearest_hint(kind, ("Config", "Policy"))}')
            return
        version = self._text(top.get("apiVersion"), node, "apiVersion")
        if version not in (None, API_VERSION):
            self._fail(top["apiVersion"], f'apiVersion "{version}" is not known: write {API_VERSION}')
        if "metadata" in top:
            self._mapping(top["metadata"], "metadata", ("name", "namespace", "annotations", "labels"))
        if "spec" in top:
            self._settings(top["spec"], "spec")
        else:
            self._fail(node, "spec is missing")

    def _settings(self, node: Node, what: str) -> None:
        if type_of(node) == "nothing":
            return
        parts = self._mapping(node, what, [*self._known, *(name for name in FORMS if name not in self._known)])
        for name, value in (parts or {}).items():
            if type_of(value) == "nothing":
                self._fail(value, f"{name} is empty: leave it out, or say what stands in it")
            elif name in FORMS:
                FORMS[name](self, value)
            else:
                self.plain(name, value)

    # -- what the forms read with

    def plain(self, name: str, node: Node) -> None:
        """A setting as its flag takes it: words, a value, or whether it holds."""
        takes = self._known.get(name)
        if takes is None:
            self._fail(node, f"{name} must be keys and values, not {type_of(node)}")
        elif takes is Takes.NOTHING:
            said = self.truth(node, name)
            if said is not None:
                self.say(name, "true" if said else "false", node)
        elif takes is Takes.WORDS and isinstance(node, SequenceNode):
            for item in node.value:
                self.word(name, item, name)
        else:
            self.word(name, node, name)

    def word(self, name: str, node: Node, what: str, before: str = "") -> None:
        """Says one word: ``before`` and the node's text."""
        text = self.scalar(node, what)
        if text is None:
            return
        if before.startswith("option:") and "," in text:
            self._fail(node, f'{what}: "{text}": the value of an option can have no comma')
            return
        self.say(name, before + text, node)

    def say(self, name: str, text: str, node: Node, options: dict[str, object] | None = None) -> None:
        """Says a word as the flag would take it."""
        line = self._line(node)
        word = Word(text, f"{self._file}:{line}", options)
        for thing, _ in things(name, [word]):
            first = self._said.setdefault((name, thing), (node, line))
            once = self._known.get(name) is not Takes.WORDS or thing.startswith("option ") or name == "log"
            if once and first[0] is not node:
                what = thing.removeprefix("option ") or name
                self._fail(node, f"{what} is said twice: first in line {first[1]}")
                return
        self.layer.setdefault(name, []).append(word)

    def scalar(self, node: Node, what: str) -> str | None:
        """A text or a number, as it is written."""
        if isinstance(node, ScalarNode) and type_of(node) in ("text", "a number", "a date"):
            return str(node.value)
        self._fail(node, f"{what} must be text or a number, not {type_of(node)}")
        return None

    def truth(self, node: Node, what: str) -> bool | None:
        """Whether it says true or false."""
        if isinstance(node, ScalarNode) and type_of(node) == "true or false":
            return str(node.value).lower() in ("true", "yes", "on")
        self._fail(node, f"{what} must be true or false, not {type_of(node)}")
        return None

    def mapping(self, node: Node, what: str, known: Iterable[str]) -> dict[str, Node]:
        """What stands under each key; nothing where it is no mapping."""
        return self._mapping(node, what, tuple(known)) or {}

    def items(self, node: Node, what: str) -> list[Node]:
        """Of a list; one alone stands for itself."""
        return [node] if isinstance(node, ScalarNode | MappingNode) else self._list(node, node, what) or []

    def fail(self, node: Node, message: str) -> None:
        """Tells what is wrong."""
        self._fail(node, message)
