"""Policy files: what they become, and every way in which one can be wrong, told with its line."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracee.cli import main
from tracee.cli.flags import parse
from tracee.cli.run import plan_of
from tracee.documents.nodes import MOST_NODES
from tracee.documents.text import MOST_BYTES
from tracee.errors import InputError
from tracee.events import sets
from tracee.policy import Plan, Predicate
from tracee.policy.reader import plan_from_files

HEAD = """\
apiVersion: tracee.aquasec.com/v1beta1
kind: Policy
metadata:
  name: NAME
spec:
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, file: str = "x.yaml") -> str:
    Path(file).write_text(textwrap.dedent(text), encoding="utf-8")
    return file


def policy(rules: str, name: str = "p") -> str:
    """A policy whose spec begins in line 6."""
    return HEAD.replace("NAME", name) + textwrap.indent(textwrap.dedent(rules), "  ")


def load(text: str) -> Plan:
    return plan_from_files([write(text)])


def problems(*named: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        plan_from_files(named)
    return list(caught.value.lines)


def wrong(text: str) -> list[str]:
    """What is wrong with the text, without the file's name."""
    found = problems(write(text))
    assert all(line.startswith("x.yaml:") for line in found)
    return [line.removeprefix("x.yaml:") for line in found]


def test_a_whole_policy() -> None:
    plan = load(
        """\
        # accounts
        apiVersion: tracee.aquasec.com/v1beta1
        kind: Policy
        metadata:
          name: accounts.v1
          namespace: security
          labels: {team: blue}
          annotations:
            description: who changes accounts
        spec:
          scope:
            - uid!=0
            - comm=a,b
          rules:
            - event: security_file_open
              filters:
                - data.pathname=/nowhere/a,/nowhere/b
                - retval=0
            - event: security_file_open
            - event: setns
        """
    )
    (found,) = plan.policies
    assert (found.name, found.file, found.line) == ("accounts.v1", "x.yaml", 5)
    assert found.scope == (Predicate("uid", "!=", ("0",), 12), Predicate("comm", "=", ("a", "b"), 13))
    # rules for one event are alternatives, and stay apart
    assert [(rule.event, rule.line) for rule in found.rules] == [
        ("security_file_open", 15),
        ("security_file_open", 19),
        ("setns", 20),
    ]
    assert found.rules[0].filters == (
        Predicate("data.pathname", "=", ("/nowhere/a", "/nowhere/b"), 17),
        Predicate("retval", "=", ("0",), 18),
    )
    assert json.loads(plan.to_json()) == {
        "policies": [
            {
                "name": "accounts.v1",
                "scope": [
                    {"field": "uid", "op": "!=", "values": ["0"]},
                    {"field": "comm", "op": "=", "values": ["a", "b"]},
                ],
                "rules": [
                    {
                        "event": "security_file_open",
                        "filters": [
                            {"field": "data.pathname", "op": "=", "values": ["/nowhere/a", "/nowhere/b"]},
                            {"field": "retval", "op": "=", "values": ["0"]},
                        ],
                    },
                    {"event": "security_file_open", "filters": []},
                    {"event": "setns", "filters": []},
                ],
            }
        ]
    }


def test_one_text_stands_for_a_list_of_one() -> None:
    plan = load(policy("scope: uid=0\nrules: [{event: openat, filters: retval<0}]"))
    assert plan.policies[0].scope == (Predicate("uid", "=", ("0",), 6),)
    assert plan.policies[0].rules[0].filters == (Predicate("retval", "<", ("0",), 7),)


@pytest.mark.parametrize("scope", ["", "scope: global\n", "scope: [global]\n", "scope: []\n"])
def test_no_scope_is_everything(scope: str) -> None:
    (found,) = load(policy(f"{scope}rules: [{{event: openat, filters: []}}]")).policies
    assert [predicate.field for predicate in found.scope] == (["global"] if "global" in scope else [])


def test_a_rule_may_name_a_set_and_its_filters_hold_for_those_that_have_the_field() -> None:
    (found,) = load(policy("rules: [{event: net_sock, filters: [data.backlog=5]}]")).policies
    assert {rule.event for rule in found.rules} == set(sets()["net_sock"])
    assert {rule.event for rule in found.rules if rule.filters} == {"listen", "security_socket_listen"}
    assert found.written == ("net_sock",)
    (found,) = load(policy("rules: [{event: net_sock, filters: [retval=0]}]")).policies
    assert all(rule.filters for rule in found.rules)
    (found,) = load(policy("rules: [{event: 'open*'}, {event: openat}]")).policies
    assert [rule.event for rule in found.rules].count("openat") == 1
    (found,) = load(policy("rules: [{event: all}]")).policies
    assert "events_lost" not in {rule.event for rule in found.rules}


def test_several_documents_files_and_folders() -> None:
    first = policy("rules: [{event: openat}]", "a") + "\n---\n" + policy("rules: [{event: close}]", "b") + "\n---\n"
    Path("folder").mkdir()
    Path("folder/inner.yaml").mkdir()
    write(policy("rules: [{event: read}]", "z"), "folder/z.yml")
    write(policy("rules: [{event: read}]", "y"), "folder/y.yaml")
    write("not: [a policy", "folder/.hidden.yaml")
    write("not: [a policy", "folder/notes.txt")
    # as Kubernetes mounts a ConfigMap
    Path("folder/..data").mkdir()
    write(policy("rules: [{event: read}]", "linked"), "folder/..data/x.yaml")
    Path("folder/x.yaml").symlink_to("..data/x.yaml")
    plan = plan_from_files([write(first), "folder"])
    assert [(p.name, p.file) for p in plan.policies] == [
        ("a", "x.yaml"),
        ("b", "x.yaml"),
        ("linked", "folder/x.yaml"),
        ("y", "folder/y.yaml"),
        ("z", "folder/z.yml"),
    ]
    assert plan.policies[1].line == len(first.splitlines()) - 3


def test_an_anchor_may_be_used_again() -> None:
    (found,) = load(
        policy("scope: &s [uid=0]\nrules:\n- event: openat\n  filters: &f [retval=0]\n- event: close\n  filters: *f")
    ).policies
    assert [rule.filters for rule in found.rules] == [(Predicate("retval", "=", ("0",), 9),)] * 2


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("rules: [{event: opnat}]", '6: unknown event "opnat" (nearest: openat)'),
        ("rules: [{event: 'xyz*'}]", '6: no event matches "xyz*"'),
        ("rules: [{event: -openat}]", '6: unknown event "-openat" (nearest: openat)'),
        (
            "rules: [{event: events_lost}]",
            '6: event "events_lost" is told whatever the policies say: no rule can name it',
        ),
        ("rules: []", "6: spec.rules is empty: a policy needs a rule"),
        ("rules:", "6: spec.rules is empty: a policy needs a rule"),
        ("scope: global", "6: spec.rules is missing"),
        ("rules: openat", "6: spec.rules must be a list, not text"),
        ("rules: {event: openat}", "6: spec.rules must be a list, not keys and values"),
        ("rules: [openat]", "6: a rule must be keys and values (event, filters), not text"),
        ("rules: [{filters: [retval=0]}]", "6: event is missing"),
        ("rules: [{event: }]", "6: event must be text, not nothing"),
        ("rules: [{event: 5}]", "6: event must be text, not a number: put it in quotes"),
        ("rules: [{event: [openat]}]", "6: event must be text, not a list"),
        ("rules: [{event: openat, filter: [retval=0]}]", '6: unknown key "filter" in a rule (nearest: filters)'),
        ("rules: [{event: openat, filters: }]", "6: filters is empty: leave it out, or say what stands in it"),
        ("rules: [{event: openat, filters: {retval: 0}}]", "6: filters must be a list, not keys and values"),
        (
            "rules: [{event: openat, filters: [retval: 0]}]",
            "6: what stands in filters must be text, not keys and values",
        ),
        (
            "rules: [{event: openat, filters: ['retval~0']}]",
            '6: "retval~0": not FIELD, or FIELD, an operator (= != < > <= >=) and values',
        ),
        ("rules: [{event: openat, filters: [retval=]}]", '6: "retval=": a value is missing'),
        ("rules: [{event: openat, filters: [retval]}]", "6: retval needs a value, such as retval=..."),
        (
            "rules: [{event: openat, filters: [data.pathnam=/x]}]",
            '6: openat has no field "data.pathnam" (nearest: data.pathname)',
        ),
        (
            "rules: [{event: openat, filters: [data.flags=O_WRONY]}]",
            '6: data.flags: unknown value "O_WRONY" (nearest: O_WRONLY)',
        ),
        (
            "rules: [{event: net_sock, filters: [data.pathnam=/x]}]",
            '6: no event of "net_sock" has the field "data.pathnam" (nearest: data.optname)',
        ),
        (
            "rules: [{event: net_sock, filters: [data.backlo=1]}]",
            '6: no event of "net_sock" has the field "data.backlo" (nearest: data.backlog)',
        ),
        ("scope:\nrules: [{event: openat}]", "6: spec.scope is empty: leave it out, or say what stands in it"),
        ("scope: 5\nrules: [{event: openat}]", "6: spec.scope must be a list, not a number"),
        ("scope: [[uid=0]]\nrules: [{event: openat}]", "6: what stands in spec.scope must be text, not a list"),
        ("scope:\n- uid=0\n- uidd=0\nrules: [{event: openat}]", '8: unknown scope "uidd" (nearest: uid)'),
        ("scope:\n- uid=x\nrules: [{event: openat}]", '7: uid: "x" is no number'),
        (
            "scope:\n- 'comm=*a*'\n- follow\nrules: [{event: openat}]",
            "7: follow goes with texts that have one * at their start or end, or none",
        ),
        ("scopes: global\nrules: [{event: openat}]", '6: unknown key "scopes" in spec (nearest: scope)'),
        ("rules: [{event: openat}]\nrules: [{event: close}]", '7: the key "rules" is there twice: first in line 6'),
        ("rules: [{event: openat, event: close}]", '6: the key "event" is there twice: first in line 6'),
        ("rules: [{event: openat}]\n<<: {scope: global}", '7: unknown key "<<" in spec'),
        ("rules: [{event: openat}]\n[a, b]: 1", '7: unknown key "a list" in spec'),
        (
            "rules: [{event: !!python/object:os.system openat}]",
            '6: the tag "tag:yaml.org,2002:python/object:os.system" is not allowed',
        ),
        ("rules: [{event: !mine openat}]", '6: the tag "!mine" is not allowed'),
        ("rules: [{event: *x}]", '6: the alias "*x" stands for nothing: there is no "&x" before it'),
        ("scope: &r [uid=0]\nrules: &r []", '7: "&r" is there twice'),
        ("rules: &r\n- event: openat\n  filters: *r", '8: "&r" contains itself'),
    ],
)
def test_a_spec_that_cannot_be(rules: str, expected: str) -> None:
    assert wrong(policy(rules)) == [expected]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("kind: Policy\nmetadata: {name: a}", "1: apiVersion is missing"),
        (
            "apiVersion: v1\nkind: Policy\nmetadata: {name: a}",
            '1: apiVersion "v1" is not known: write tracee.aquasec.com/v1beta1',
        ),
        ("apiVersion: tracee.aquasec.com/v1beta1\nmetadata: {name: a}", "1: kind is missing: write kind: Policy"),
        ("kind: Polcy", '1: unknown kind "Polcy" (nearest: Policy)'),
        ("kind: Config", "1: this document is of kind Config: give it with --config, in a file of its own"),
        ("API: 1\nkind: Config", "2: this document is of kind Config: give it with --config, in a file of its own"),
        ("apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy", "1: metadata is missing"),
    ],
)
def test_a_head_that_cannot_be(head: str, expected: str) -> None:
    assert wrong(head + "\nspec: {rules: [{event: openat}]}\n") == [expected]


NAME_RULE = "cannot be: letters, digits, -, _ and . between letters or digits, at most 253"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("a", "metadata must be keys and values (name, namespace, annotations, labels), not text"),
        ("{}", "metadata.name is missing"),
        ("{name: 5}", "metadata.name must be text, not a number: put it in quotes"),
        ("{name: true}", "metadata.name must be text, not true or false: put it in quotes"),
        ("{name: a b}", f'metadata.name "a b" {NAME_RULE}'),
        ("{name: '-a'}", f'metadata.name "-a" {NAME_RULE}'),
        ("{name: a, anotations: {}}", 'unknown key "anotations" in metadata (nearest: annotations)'),
        ("{name: a, annotations: {n: 5}}", "metadata.annotations.n must be text, not a number: put it in quotes"),
        ("{name: a, labels: [b]}", "metadata.labels must be names and texts, not a list"),
    ],
)
def test_metadata_that_cannot_be(metadata: str, expected: str) -> None:
    head = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: "
    assert wrong(f"{head}{metadata}\nspec: {{rules: [{{event: openat}}]}}\n") == [f"3: {expected}"]


def test_a_document_without_a_spec() -> None:
    assert wrong("apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: a}") == ["1: spec is missing"]
    assert wrong(policy("rules: [{event: openat}]") + "\nspecs: {}") == [
        '7: unknown key "specs" in a policy (nearest: spec)'
    ]
    assert wrong("text") == ["1: a policy must be keys and values (apiVersion, kind, metadata, spec), not text"]
    assert wrong("- text") == ["1: a policy must be keys and values (apiVersion, kind, metadata, spec), not a list"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1\nb: 2", "2: did not find expected ',' or ']', while parsing a flow sequence begun in line 1"),
        ("a: 1\nb: c: d", "2: mapping values are not allowed in this context"),
        ("a:\n\t- b", "2: found character that cannot start any token, while scanning for the next token"),
        ("a: 1\nb: 'c", "2: found unexpected end of stream, while scanning a quoted scalar"),
        ("a: 1\nb: \0", "2: character U+0000 is not allowed in YAML"),
        ("a: 1\nb: \x1b[31m", "2: character U+001B is not allowed in YAML"),
        ("a: éééééé\nb: c\x07", "2: character U+0007 is not allowed in YAML"),
        ("[" * 40, "1: nested more than 32 levels deep"),
        ("- " * 500_000, "1: nested more than 32 levels deep"),
    ],
)
def test_what_is_no_yaml(text: str, expected: str) -> None:
    assert wrong(text) == [expected]


def test_what_is_no_policy_file(folder: Path) -> None:
    assert problems("missing.yaml") == ["missing.yaml: cannot be read: No such file or directory"]
    assert problems(write("# only this\n---\n")) == ["x.yaml: no policy in this file"]
    assert problems(write("")) == ["x.yaml: no policy in this file"]
    Path("latin.yaml").write_bytes(b"# 1\n# caf\xe9\n")
    assert problems("latin.yaml") == ["latin.yaml:2: byte 0xe9 is not UTF-8"]
    Path("empty").mkdir()
    assert problems("empty") == ["empty: no policy in this folder: it has no *.yaml and no *.yml"]
    os.mkfifo("empty/pipe.yaml")
    Path("empty/link.yaml").symlink_to("nowhere")
    assert problems("empty") == [
        "empty/link.yaml: cannot be read: No such file or directory",
        "empty/pipe.yaml: is no file",
    ]


def test_large_files_and_those_that_grow_when_they_are_read() -> None:
    small = policy("rules: [{event: openat}]")
    Path("large.yaml").write_text(small + "\n#" + "x" * (MOST_BYTES - len(small) - 2))
    assert plan_from_files(["large.yaml"]).policies
    Path("large.yaml").write_text(small + "\n#" + "x" * (MOST_BYTES - len(small) - 1))
    assert problems("large.yaml") == ["large.yaml: larger than 1 MiB"]
    lines = [f"a0: &a0 [{','.join('x' * 9)}]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    message = f"more than {MOST_NODES} values, what an alias (*) repeats counted again"
    assert wrong("\n".join(lines)) == [f"6: {message}"]
    assert wrong("- x\n" * (MOST_NODES + 10)) == [f"{MOST_NODES}: {message}"]
    many = "rules:\n" + "".join(f"- {{event: syscalls, filters: [retval={n}]}}\n" for n in range(100))
    line = 6 + 10_000 // len(sets()["syscalls"]) + 1
    assert wrong(policy(many)) == [f"{line}: more than 10000 rules in one policy, a set counted as its events"]


def test_names_are_used_once() -> None:
    write(policy("rules: [{event: openat}]", "same"), "a.yaml")
    write(policy("rules: [{event: openat}]", "same"), "b.yaml")
    assert problems("b.yaml", "a.yaml") == ['a.yaml:4: the name "same" is taken: b.yaml:4 has it too']
    assert problems("a.yaml", "a.yaml") == ['a.yaml:4: the name "same" is taken: a.yaml:4 has it too']


def test_sixty_four_policies_fit() -> None:
    def write_policies(count: int) -> str:
        return write("---\n".join(policy("rules: [{event: openat}]\n", f"p{n}") for n in range(count)))

    assert len(plan_from_files([write_policies(64)]).policies) == 64
    assert problems(write_policies(65)) == ['x.yaml:452: policy "p64" is number 65: at most 64 fit']
    write_policies(64)
    _, settings = parse(["--policy", "x.yaml"])
    assert len(plan_of(settings).policies) == 64
    _, settings = parse(["--policy", "x.yaml", "--events", "close"])
    with pytest.raises(InputError) as caught:
        plan_of(settings)
    assert str(caught.value) == "--policy: with --events, --scope or --filter they are one more than the 64 that fit"


def test_everything_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("policies").mkdir()
    first = policy(
        "scope: [uid=0, gid=0]\nrules:\n- event: opnat\n- event: openat\n  filters: [data.mode=X]\n  color: red"
    )
    write(first + "\n---\n" + policy("rules: [{event: close}]", "good") + "\n---\na: [", "policies/a.yaml")
    write(policy("rules: [{event: close}]", "good"), "policies/b.yaml")
    expected = """\
ERROR missing.yaml: cannot be read: No such file or directory
ERROR policies/a.yaml:6: unknown scope "gid" (nearest: uid)
ERROR policies/a.yaml:8: unknown event "opnat" (nearest: openat)
ERROR policies/a.yaml:10: data.mode: unknown value "X"
ERROR policies/a.yaml:11: unknown key "color" in a rule
ERROR policies/a.yaml:21: did not find expected node content, while parsing a flow node
ERROR policies/b.yaml:4: the name "good" is taken: policies/a.yaml:16 has it too
"""
    assert main(["policy", "check", "policies", "missing.yaml"]) == 1
    assert capsys.readouterr() == ("", expected)
    flags = ["--events", "opnat,close", "--log", "debug"]
    assert main(["--policy", "policies", "--policy", "missing.yaml", *flags]) == 1
    flag_error = 'ERROR --events: unknown event "opnat" (nearest: openat)\n'
    assert capsys.readouterr() == ("", expected + flag_error)


def test_check_says_what_policies_select(capsys: pytest.CaptureFixture[str]) -> None:
    write(policy("rules: [{event: net_sock}, {event: listen, filters: [retval=0]}, {event: openat}]", "a"), "a.yaml")
    write(policy("rules: [{event: openat}]", "b"), "b.yaml")
    assert main(["policy", "check", "a.yaml", "b.yaml"]) == 0
    count = len(sets()["net_sock"]) + 1
    expected = f"a.yaml: policy a: 3 rules, {count} events\nb.yaml: policy b: 1 rule, 1 event\n"
    assert capsys.readouterr() == (expected, "")


def test_what_a_file_says_does_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", write(policy(r'rules: [{event: "a\e[31m\nb"}]'))]) == 1
    assert capsys.readouterr().err == 'ERROR x.yaml:6: unknown event "a\\x1b[31m\\nb"\n'


def test_flags_beside_policies_are_one_more_policy() -> None:
    write(policy("rules: [{event: openat}]"))

    def names(*arguments: str) -> list[tuple[str, int]]:
        return [(p.name, len(p.rules)) for p in plan_of(parse(["--policy", "x.yaml", *arguments])[1]).policies]

    assert names() == [("p", 1)]
    assert names("--events", "close,read") == [("p", 1), ("", 2)]
    assert names("--scope", "uid=0") == [("p", 1), ("", len(sets()["default"]))]
    assert names("--filter", "retval=0") == [("p", 1), ("", len(sets()["default"]))]


def test_a_start_without_policies_reads_no_yaml() -> None:
    import subprocess
    import sys

    script = "import sys; from tracee.cli import main; main(['--events', 'x']); sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL).returncode == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_file_holds_is_taken_or_told(data: st.DataObject) -> None:
    """A good policy with pieces replaced: by what means something to YAML, and by any bytes."""
    content = policy("scope: [uid=0]\nrules:\n- event: openat\n  filters: &f\n  - data.pathname=/x\n").encode()
    pieces = st.sampled_from(["&f ", "*f", "[", "]", "{", "}", ": ", "- ", "\n", "---\n", '"', "~", "!!int ", "<<: "])
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(content)))
        piece = data.draw(pieces.map(str.encode) | st.binary(max_size=3))
        content = content[:start] + piece + content[start + data.draw(st.integers(0, 8)) :]
    Path("x.yaml").write_bytes(content)
    try:
        plan_from_files(["x.yaml"])
    except InputError as error:
        assert all(line.startswith("x.yaml:") for line in error.lines)
