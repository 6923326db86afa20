"""Signatures in files: what is taken, and all that is refused, with its line."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracee import events
from tracee.cli import main
from tracee.detect import Field, Metadata, Selected, Severity, known
from tracee.errors import InputError

TYPED = """\
from tracee.detect import Field, Metadata, Selected, Signature

class Typed(Signature):
    metadata = Metadata(id="UNIT-1", name="Typed", event_name="typed_one", description="d", fields=(Field("path"),))
    selected = (Selected("openat", "data.pathname=/etc/*", "container"),)
"""
PLAIN = """\
from tracee.detect import Signature

class Plain(Signature):
    def get_metadata(self):
        return {"ID": "UNIT-2", "Version": "2.0.0", "Name": "Plain", "EventName": "plain_one", "Description": "d",
                "Tags": ["linux"], "Fields": ["path", {"Name": "n", "Type": "int"}],
                "Properties": {"Severity": 3, "Category": "execution", "Technique": "T1059", "MITRE ATT&CK": "x",
                               "Own": 1}}

    def get_selected_events(self):
        return [{"Source": "tracee", "Name": "openat", "Filters": ["retval>=0"], "Origin": "container"}]
"""


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    known.use_folders(())
    events.forget_findings()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "signatures"
    made.mkdir()
    return made


def use(folder: Path, *texts: str) -> None:
    for number, text in enumerate(texts):
        (folder / f"s{number}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    known.use_folders([str(folder)])


def wrong(folder: Path, *texts: str) -> list[str]:
    """What is wrong, without the folder."""
    with pytest.raises(InputError) as caught:
        use(folder, *texts)
    return [line.replace(f"{folder}/", "") for line in caught.value.lines]


def with_metadata(text: str) -> str:
    return TYPED.replace('id="UNIT-1", name="Typed", event_name="typed_one", description="d"', text)


def test_both_forms(folder: Path) -> None:
    use(folder, TYPED, PLAIN)
    typed, plain = known.known()["typed_one"], known.known()["plain_one"]
    assert (typed.file, typed.line) == (f"{folder}/s0.py", 3)
    assert repr(typed.selected) == repr((Selected("openat", "data.pathname=/etc/*", "container"),))
    assert plain.metadata == Metadata(
        id="UNIT-2",
        name="Plain",
        event_name="plain_one",
        description="d",
        version="2.0.0",
        severity=Severity.HIGH,
        category="execution",
        technique_id="T1059",
        technique="x",
        tags=("linux",),
        fields=(Field("path"), Field("n", "int")),
        properties=(("Own", 1),),
    )
    assert repr(plain.selected) == repr((Selected("openat", "container", "retval>=0"),))
    assert plain.kind.category == "signatures"
    assert [(arg.name, arg.type) for arg in plain.kind.args] == [("path", "const char*"), ("n", "int")]
    assert known.detection(plain.metadata)["properties"]["Own"] == 1
    assert {"typed_one", "plain_one"} <= set(events.select(["all-signatures"])) & set(events.select(["default"]))
    assert events.select(["typed_*"]) == ["typed_one"]
    assert "typed_one" not in events.select(["default", "-typed_one"])


def test_what_begins_with_an_underscore_is_to_build_on(folder: Path) -> None:
    text = TYPED.replace("class Typed(Signature)", "class _Base(Signature)") + "\nclass Typed(_Base):\n    pass\n"
    use(folder, text)
    assert known.known()["typed_one"].line == 7


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("class X(\n", "s0.py:1: no Python: '(' was never closed"),
        ("\n\nimport nothing_that_is_there\n", "s0.py:3: ModuleNotFoundError: No module named 'nothing_that_is_there'"),
        (
            "from tracee.detect import Signature\n\nclass X(Signature):\n    pass\n",
            "s0.py:3: X: no metadata: set metadata = Metadata(...), or define get_metadata",
        ),
        (
            with_metadata('id="U", name="n", event_name="openat", description=""'),
            's0.py:3: Typed: EventName "openat" is the name of an event already',
        ),
        (
            with_metadata('id="U", name="n", event_name="Bad-Name", description=""'),
            's0.py:3: Typed: EventName "Bad-Name" cannot be: small letters, digits and _',
        ),
        (
            with_metadata('id="", name="n", event_name="n", description=""'),
            "s0.py:3: Typed: ID is missing",
        ),
        (
            with_metadata('id="TRC-1101", name="n", event_name="n", description=""'),
            's0.py:3: the ID "TRC-1101" is taken: built in (Container Escape) has it',
        ),
        (
            with_metadata('id="U", name="n", event_name="container_escape", description=""'),
            's0.py:3: the EventName "container_escape" is taken: built in (Container Escape) has it',
        ),
        (
            TYPED.replace('Selected("openat"', 'Selected("opennat"'),
            's0.py:3: Typed: unknown event "opennat" (nearest: openat)',
        ),
        (
            TYPED.replace("data.pathname", "data.pathnam"),
            's0.py:3: Typed: openat "data.pathnam=/etc/*": openat has no field "data.pathnam" (nearest: data.pathname)',
        ),
        (TYPED.replace("data.pathname=", "!"), 's0.py:3: Typed: "!/etc/*": not FIELD, or FIELD, an operator'),
        (TYPED.replace('Field("path")', 'Field("path", "float*")'), "s0.py:3: Typed: ValueError: path: "),
        (TYPED.replace('Field("path")', 'Field("a b")'), 's0.py:3: Typed: the field "a b" cannot be'),
        (
            TYPED.split("    selected")[0],
            "s0.py:3: Typed: it selects no",
        ),
        (PLAIN.replace('"Version"', '"Verson"'), 's0.py:3: Plain: metadata: unknown key "Verson" (nearest: Version)'),
        (PLAIN.replace('"Severity": 3', '"Severity": 9'), "s0.py:3: Plain: metadata: Severity 9 is none"),
        (PLAIN.replace('"Name": "openat"', '"Nam": "openat"'), 's0.py:3: Plain: selected event: unknown key "Nam"'),
        (PLAIN.replace('"Source": "tracee"', '"Source": "x"'), "s0.py:3: Plain: selected event: the only Source is"),
        (PLAIN.replace("        return {", "        return {1: 1 / 0,"), "s0.py:5: Plain: ZeroDivisionError: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(folder: Path, text: str, line: str) -> None:
    assert wrong(folder, text)[0].startswith(line)


def test_all_at_once(folder: Path) -> None:
    twice = TYPED.replace("UNIT-1", "UNIT-3").replace("Typed(", "Again(")
    lines = wrong(folder, TYPED, twice, "x = (\n", PLAIN.replace("UNIT-2", "UNIT-1"))
    assert lines == [
        "s2.py:1: no Python: '(' was never closed",
        's1.py:3: the EventName "typed_one" is taken: s0.py:3 (Typed) has it',
        's3.py:3: the ID "UNIT-1" is taken: s0.py:3 (Typed) has it',
    ]


def test_whom_we_trust(folder: Path) -> None:
    (folder / "s.py").write_text(TYPED)
    (folder / "s.py").chmod(0o666)
    assert wrong(folder) == ["s.py:1: refused: everybody may write to it"]
    (folder / "s.py").chmod(0o600)
    folder.chmod(0o777)
    assert wrong(folder) == [f"{folder}: --signatures-dir: refused: everybody may write to it"]
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder / "s.py", 12345, -1)
        assert wrong(folder)[0].startswith("s.py:1: refused: user 12345 owns it")
        os.chown(folder / "s.py", 0, -1)
    use(folder)
    assert "typed_one" in known.known()


def test_what_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    (folder / "gone.py").symlink_to("/nowhere")
    assert wrong(folder) == ["gone.py: cannot be read: No such file or directory", "pipe.py:1: is no file"]
    with pytest.raises(InputError, match="nowhere: --signatures-dir: cannot be read: No such file"):
        known.use_folders(["/nowhere"])


def test_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "s.py").write_text(TYPED)
    assert main(["signatures", "list", "--signatures-dir", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "EVENT", "SEVERITY", "TECHNIQUE", "SOURCE", "NAME"]
    assert any(line.split() == ["UNIT-1", "typed_one", "2", "medium", "-", f"{folder}/s.py", "Typed"] for line in lines)
    assert any(line.startswith("TRC-1101") and " built in " in line for line in lines)


def test_policies_may_name_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "s.py").write_text(TYPED)
    policy = folder / "p.yaml"
    head = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: p}\n"
    policy.write_text(f"{head}spec: {{scope: [global], rules: [{{event: typed_one, filters: [data.path=/x]}}]}}\n")
    assert main(["policy", "check", str(policy), "--signatures-dir", str(folder)]) == 0
    assert capsys.readouterr().out == f"{policy}: policy p: 1 rule, 1 event\n"
    policy.write_text(policy.read_text().replace("data.path", "data.pth"))
    assert main(["policy", "check", str(policy), "--signatures-dir", str(folder)]) == 1
    assert 'typed_one has no field "data.pth" (nearest: data.path)' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["lst"], 'ERROR signatures: unknown word "lst" (nearest: list)'),
        (["test", "x.py"], "ERROR signatures test: not FILE EVENTS.json"),
        (["list", "x"], 'ERROR signatures list: "x" is one word too many'),
        (["test", "/nowhere.py", "-"], "ERROR /nowhere.py: cannot be read: No such file"),
    ],
)
def test_the_command_refuses(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signatures", *words]) == 1
    assert capsys.readouterr().err.startswith(line)


def test_all_built_in_ones_can_be_used() -> None:
    """What they select exists, and their metadata is whole."""
    from tracee._core import check
    from tracee.detect.plan import needed_for
    from tracee.policy import Plan

    signatures = known.known()
    events.find_findings()
    assert check(Plan((), signatures=needed_for(list(signatures))).to_json()) == []
    for name, signature in signatures.items():
        assert signature.cls.__module__ == f"tracee.signatures.{name}"
        assert signature.metadata.description
        assert signature.metadata.category
