"""Policy files become policies. Whatever is wrong is told with its line, and reading goes on to the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tracee.documents.nodes import (
    DocumentError,
    MappingNode,
    Node,
    ScalarNode,
    documents,
    line_of,
)
from tracee.documents.problem import Problem
from tracee.documents.reader import NodeReader, type_of
from tracee.errors import InputError
from tracee.events import kinds, matching, nearest_hint
from tracee.policy.files import read_files
from tracee.policy.plan import (
    MOST_POLICIES,
    Plan,
    Policy,
    Rule,
    make_plan,
    nearest_field_hint,
    with_field,
)
from tracee.policy.predicate import Predicate

API_VERSION = "tracee.aquasec.com/v1beta1"
KINDS = ("Policy", "Config")
MOST_RULES = 10_000
"""Rules of a policy, where a set counts as many as it has events."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def plan_from_files(named: Sequence[str], flags: Callable[[], Policy] | None = None) -> Plan:
    """The plan of all policies in these files and folders.

    Args:
        named: what ``--policy`` names.
        flags: makes the policy of the flags, which comes last.

    Raises:
        InputError: all that is wrong with any of them.
    """
    problems: list[Problem] = []
    policies: list[Policy] = []
    for file, text in read_files(named, problems):
        policies += _read_file(file, text, problems)
    _check_names(policies, problems)
    if flags:
        try:
            policies.append(flags())
        except InputError as error:
            problems += [Problem("", 0, line) for line in error.lines]
        else:
            if len(policies) == MOST_POLICIES + 1:
                message = (
                    f"--policy: with --events, --scope or --filter they are one more than the {MOST_POLICIES} that fit"
                )
                problems.append(Problem("", 0, message))
    return make_plan(policies, problems)


def _read_file(file: str, text: str, problems: list[Problem]) -> list[Policy]:
    reader = _Reader(file, problems)
    policies = []
    empty = True
    try:
        for node in documents(text):
            empty = False
            policy = reader.policy(node)
            if policy:
                policies.append(policy)
    except DocumentError as error:
        problems.append(Problem(file, error.line, str(error)))
        empty = False
    if empty:
        problems.append(Problem(file, 0, "no policy in this file"))
    return policies


def _check_names(policies: Sequence[Policy], problems: list[Problem]) -> None:
    first: dict[str, Policy] = {}
    for number, policy in enumerate(policies, 1):
        before = first.setdefault(policy.name, policy)
        if policy.name and before is not policy:
            message = f'the name "{policy.name}" is taken: {before.file}:{before.line} has it too'
            problems.append(Problem(policy.file, policy.line, message))
        if number > MOST_POLICIES:
            message = f'policy "{policy.name}" is number {number}: at most {MOST_POLICIES} fit'
            problems.append(Problem(policy.file, policy.line, message))


class _Reader(NodeReader):
    """Reads the documents of one file."""

    def policy(self, node: Node) -> Policy | None:
        """The policy, as far as it can be read; nothing where the document is of another kind."""
        if not self._is_policy(node):
            return None
        top = self._mapping(node, "a policy", ("apiVersion", "kind", "metadata", "spec"))
        if top is None:
            return None
        if "kind" not in top:
            self._fail(node, "kind is missing: write kind: Policy")
        version = self._text(top.get("apiVersion"), node, "apiVersion")
        if version not in (None, API_VERSION):
            self._fail(top["apiVersion"], f'apiVersion "{version}" is not known: write {API_VERSION}')
        name, line = self._name(top.get("metadata"), node)
        parts = self._part(top.get("spec"), node, "spec", ("scope", "rules"))
        rules, written = self._rules(parts.get("rules"), top.get("spec", node)) if parts is not None else ((), ())
        scope = self._conditions(parts["scope"], "spec.scope") if parts and "scope" in parts else ()
        return Policy(name, scope, rules, self._file, line, written)

    def _is_policy(self, node: Node) -> bool:
        """Whether it should be read as one; what says nothing of its kind is."""
        pairs = node.value if isinstance(node, MappingNode) else []
        kind = next((value for key, value in pairs if isinstance(key, ScalarNode) and key.value == "kind"), None)
        word = None if kind is None else self._text(kind, node, "kind")
        if kind is None or word in (None, "Policy"):
            return True
        if word == "Config":
            self._fail(kind, "this document is of kind Config: give it with --config, in a file of its own")
        else:
            self._fail(kind, f'unknown kind "{word}"{nearest_hint(word or "", KINDS)}')
        return False

    def _name(self, node: Node | None, parent: Node) -> tuple[str, int]:
        """The policy's name, empty where there is none that can be, and its line."""
        metadata = self._part(node, parent, "metadata", ("name", "namespace", "annotations", "labels"))
        if metadata is None:
            return "", line_of(parent)
        for key in ("annotations", "labels"):
            if key in metadata:
                self._texts_by_name(metadata[key], f"metadata.{key}")
        if "namespace" in metadata:
            self._text(metadata["namespace"], parent, "metadata.namespace")
        name = self._text(metadata.get("name"), node or parent, "metadata.name")
        if name is None:
            return "", line_of(node or parent)
        if not _NAME.fullmatch(name):
            rule = "letters, digits, -, _ and . between letters or digits, at most 253"
            self._fail(metadata["name"], f'metadata.name "{name}" cannot be: {rule}')
            name = ""
        return name, line_of(metadata["name"])

    def _rules(self, node: Node | None, parent: Node) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
        """The rules by event, and what each names as it was written."""
        if node is not None and (type_of(node) == "nothing" or node.value == []):
            self._fail(node, "spec.rules is empty: a policy needs a rule")
            return (), ()
        items = self._list(node, parent, "spec.rules") or []
        rules: dict[tuple[object, ...], Rule] = {}
        written = []
        for item in items:
            word, made = self._rule(item)
            written.append(word)
            for rule in made:
                # the same twice is the same
                rules.setdefault((rule.event, *sorted(map(str, rule.filters))), rule)
            if len(rules) > MOST_RULES:
                self._fail(item, f"more than {MOST_RULES} rules in one policy, a set counted as its events")
                break
        return tuple(rules.values()), tuple(written)

    def _rule(self, node: Node) -> tuple[str, list[Rule]]:
        """What a rule names, and a rule for each event of that."""
        parts = self._mapping(node, "a rule", ("event", "filters"))
        if parts is None:
            return "", []
        filters = self._conditions(parts["filters"], "filters") if "filters" in parts else ()
        word = self._text(parts.get("event"), node, "event")
        if word is None:
            return "", []
        try:
            named = matching(word)
        except InputError as error:
            self._fail(parts["event"], str(error))
            return word, []
        # what tracee tells of itself is told to all
        events = [name for name in named if kinds()[name].category != "control"]
        if not events:
            self._fail(parts["event"], f'event "{word}" is told whatever the policies say: no rule can name it')
        if events == [word]:
            return word, [Rule(word, filters, line_of(node))]
        own: dict[str, list[Predicate]] = {event: [] for event in events}
        for predicate in filters:
            having = with_field(predicate.field, events)
            if events and not having:
                hint = nearest_field_hint(predicate.field, events)
                message = f'no event of "{word}" has the field "{predicate.field}"{hint}'
                self._problems.append(Problem(self._file, predicate.line, message))
            for event in having:
                own[event].append(predicate)
        return word, [Rule(event, tuple(predicates), line_of(node)) for event, predicates in own.items()]

    def _conditions(self, node: Node, what: str) -> tuple[Predicate, ...]:
        """A list of conditions, or one alone."""
        alone = isinstance(node, ScalarNode) and type_of(node) == "text"
        found = []
        for item in [node] if alone else self._list(node, node, what) or []:
            text = self._text(item, item, f"what stands in {what}")
            if text is None:
                continue
            try:
                found.append(Predicate.parse(text, line_of(item)))
            except InputError as error:
                self._fail(item, str(error))
        return tuple(found)

    def _part(self, node: Node | None, parent: Node, what: str, known: Sequence[str]) -> dict[str, Node] | None:
        if node is None:
            self._fail(parent, f"{what} is missing")
            return None
        return self._mapping(node, what, known)

    def _texts_by_name(self, node: Node, what: str) -> None:
        """Only looks whether it is what it must be: nothing here changes what is traced."""
        if isinstance(node, MappingNode):
            found = self._mapping(node, what, ()) or {}
            for name, value in found.items():
                self._text(value, value, f"{what}.{name}")
        else:
            self._fail(node, f"{what} must be names and texts, not {type_of(node)}")
