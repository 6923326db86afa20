"""The parts of the kernel matrix that need no kernel: which packages, the initrd, the table."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import debian
import few
import pytest
from debian import ARCHITECTURES, FetchError, UnreachableError, image_packages, label, mirrors, sources
from foreign import ForeignError, requirements
from initrd import archive, device, file, folder
from matrix import Session, markdown, page, short, table, tally

DEPENDS = {
    "linux-image-amd64": ["linux-image-6.12.1+deb13-amd64"],
    "linux-image-6.12.1+deb13-amd64": ["kmod", "linux-base", "<linux-initramfs-tool>"],
}
IN_PARTS = {
    "linux-image-amd64": ["linux-base-amd64", "linux-image-7.3.4-amd64", "linux-modules-amd64"],
    "linux-base-amd64": ["linux-base-7.3.4-amd64"],
    "linux-modules-amd64": ["linux-modules-7.3.4-amd64"],
    "linux-image-7.3.4-amd64": [
        "dracut",
        "linux-base-7.3.4-amd64",
        "linux-binary-7.3.4-amd64",
        "linux-modules-7.3.4-amd64",
    ],
    "linux-base-7.3.4-amd64": [],
    "linux-binary-7.3.4-amd64": [],
    "linux-modules-7.3.4-amd64": [],
}


def asked(answers: dict[str, list[str]], package: str) -> str:
    """As `apt-cache depends` answers."""
    lines = [package, *(f"  Depends: {name}" for name in answers[package])]
    return "\n".join([*lines, "  Suggests: linux-image-9.9-amd64", f"  Conflicts: {package}-unsigned", ""])


def test_an_image_in_one_package() -> None:
    version, packages = image_packages(lambda package: asked(DEPENDS, package))
    assert (version, packages) == ("6.12.1+deb13-amd64", ["linux-image-6.12.1+deb13-amd64"])


def test_an_image_in_parts() -> None:
    version, packages = image_packages(lambda package: asked(IN_PARTS, package))
    assert version == "7.3.4-amd64"
    assert set(packages) == {f"linux-{part}-7.3.4-amd64" for part in ("image", "base", "binary", "modules")}


@pytest.mark.parametrize(
    "other", ["linux-image-6.1-rt-amd64", "linux-image-6.1-cloud-amd64", "linux-image-6.1-amd64-dbg"]
)
def test_kernels_for_other_purposes_are_not_taken(other: str) -> None:
    with pytest.raises(FetchError, match="leads to 0 kernels"):
        image_packages(lambda package: asked({"linux-image-amd64": [other], other: []}, package))


def test_an_image_of_another_architecture() -> None:
    other = {
        "linux-image-arm64": ["linux-image-6.1.0-50-arm64", "linux-image-6.1.0-50-arm64-16k"],
        "linux-image-6.1.0-50-arm64": ["kmod", "linux-image-6.1.0-50-amd64"],
    }
    version, packages = image_packages(lambda package: asked(other, package), "arm64")
    assert (version, packages) == ("6.1.0-50-arm64", ["linux-image-6.1.0-50-arm64"])


def test_two_kernels_are_no_answer() -> None:
    two = {"linux-image-amd64": ["linux-image-1.0-amd64", "linux-image-2.0-amd64"]}
    with pytest.raises(FetchError, match="leads to 2 kernels"):
        image_packages(
            lambda package: asked({"linux-image-1.0-amd64": [], "linux-image-2.0-amd64": [], **two}, package)
        )


def test_mirrors_are_those_that_apt_knows() -> None:
    usual, security = mirrors(
        "http://a.example/debian bookworm\nhttp://a.example/debian bookworm-updates\n"
        "http://b.example/security bookworm-security\nhttp://c.example/node nodistro\n"
    )
    assert (usual, security) == (["http://a.example/debian"], ["http://b.example/security"])


def test_sources_of_suites() -> None:
    text = sources(("x-security", "x"), "http://a.example", "http://b.example", Path("/keys.gpg"))
    assert text.splitlines() == [
        "deb [arch=amd64 signed-by=/keys.gpg] http://b.example x-security main",
        "deb [arch=amd64 signed-by=/keys.gpg] http://a.example x main",
    ]
    assert sources(("x",), "http://a.example", None, arch="arm64") == "deb [arch=arm64] http://a.example x main\n"
    with pytest.raises(FetchError, match="x-security"):
        sources(("x-security",), "http://a.example", None)


def test_kernels_of_another_architecture_have_names_of_their_own() -> None:
    assert [label("6.1", arch) for arch in ARCHITECTURES] == ["6.1", "arm64-6.1"]


def test_a_foreign_guest_has_what_tracee_and_its_tests_import() -> None:
    names = {re.split(r"\W", line)[0] for line in requirements(Path(__file__).parents[2])}
    assert {"PyYAML", "grpcio", "protobuf", "hypothesis", "pytest"} <= names
    assert not {"mypy", "ruff", "clang"} & names


def test_a_list_of_dependencies_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    with pytest.raises(ForeignError, match="no list of dependencies"):
        requirements(tmp_path)


def test_an_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5 + b"odd"
    made = archive([folder("d"), file("d/f", data), file("empty", b""), device("null", 1, 3)])
    command = ["busybox", "cpio", "-i", "-d"]
    try:
        subprocess.run(command, cwd=tmp_path, input=made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("busybox is missing: scripts/prerequisites.sh kernels")
    assert (tmp_path / "d/f").read_bytes() == data
    assert (tmp_path / "empty").read_bytes() == b""
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o755
    node = (tmp_path / "null").stat()
    assert stat.S_ISCHR(node.st_mode)
    assert node.st_rdev == Path("/dev/null").stat().st_rdev


def test_an_archive_keeps_its_fields_at_fours() -> None:
    for name in ("a", "ab", "abc", "abcd"):
        made = archive([file(name, b"x" * len(name))])
        assert len(made) % 4 == 0
        assert made.count(b"070701") == 2
        assert made.index(b"070701", 1) % 4 == 0


EVENTS = [
    {"name": "file_opened", "category": "files", "way": "lsm:file_open + lsm:exec", "misses": "", "why": ""},
    {"name": "gone", "category": "files", "way": None, "misses": "", "why": "no hook"},
    {"name": "open", "category": "syscalls", "way": "sys_exit:open", "misses": "", "why": ""},
]
TEST = {"test": "t.py::a", "outcome": "passed", "why": "", "seconds": 1.0}


def rows_of(session: Session) -> dict[str, str]:
    """The table of one session: the text of each event's cell."""
    return {row[0]: row[1] for row in table([session])[1:]}


def told(*tests: Mapping[str, object], proof: Sequence[Mapping[str, object]] = ()) -> Session:
    lines = [{"events": EVENTS, "proof": proof, "trouble": ""}, *({**TEST, **test} for test in tests)]
    return Session.read("6.1", "best", "\n".join(map(json.dumps, lines)))


def test_an_event_is_seen_only_by_a_test_that_passed() -> None:
    both = {"ways": {"file_opened": "lsm", "open": "sys_exit"}}
    rows = rows_of(told({**both, "seen": ["file_opened"]}))
    assert rows == {"file_opened": "lsm: seen", "gone": "not to be had", "system calls": "1: 0 seen"}
    failed = {**both, "seen": ["file_opened", "open"], "outcome": "failed"}
    rows = rows_of(told({**both, "seen": ["open"]}, failed))
    assert rows["file_opened"] == "lsm: 1 of 1 failed"
    assert rows["system calls"] == "1: 1 seen, 1 in tests that failed"
    assert rows_of(told({"ways": {}, "seen": []}))["file_opened"] == "lsm: not tested"


def test_a_report_that_was_cut_keeps_what_came_before() -> None:
    whole = json.dumps({**TEST, "ways": {}, "seen": []})
    session = Session.read("6.1", "best", f'{{"events": [], "proof": [], "trouble": ""}}\n{whole}\n{whole[:20]}')
    assert session.count("passed") == 1
    assert "cut" in session.trouble


def test_the_page_has_a_table_for_each_choice_of_ways() -> None:
    page = markdown([told({"ways": {}, "seen": []})])
    assert "### Best ways\n\n| event | 6.1 |\n| --- | --- |\n| file_opened | lsm: not tested |\n" in page
    assert "| 6.1 | best | ? | ? | 1 | 0 | 0 |" in page


DEED = {"event": "file_opened", "deed": "open", "variant": "call", "outcome": "seen", "why": "", "stated": False}
MISSED = {**DEED, "deed": "openat", "variant": "thread", "outcome": "unseen", "why": "it was not told"}


def test_an_event_is_seen_by_a_deed_too() -> None:
    """What a way says that it misses is no defect."""
    seen = told(proof=[DEED, {**MISSED, "stated": True}, {**DEED, "outcome": "skipped"}])
    assert rows_of(seen)["file_opened"] == "lsm: seen"
    assert seen.well
    assert "| 6.1 | best | 1 | 0 | 0 | 0 | 0 |" in markdown([seen])


def test_a_deed_that_was_not_seen_is_a_failure() -> None:
    missed = told({"ways": {}, "seen": []}, proof=[DEED, MISSED])
    assert rows_of(missed)["file_opened"] == "lsm: 1 of 2 failed"
    assert not missed.well
    assert "- 6.1, best: file_opened: openat (thread): `it was not told`\n" in markdown([missed])


def test_where_nothing_was_done_nothing_went_well() -> None:
    assert not told().well
    assert told({"ways": {}, "seen": []}).well


def test_a_proof_counts_as_a_test() -> None:
    passed: dict[str, object] = {"ways": {}, "seen": []}
    lost = told()
    lost.trouble = "the guest ended"
    sessions = [told(passed, proof=[DEED]), told(passed, proof=[DEED, MISSED]), lost]
    assert tally(sessions) == {"passed": 3, "failed": 2, "skipped": 0}


def test_the_latest_proof_counts() -> None:
    assert told().after(told(proof=[DEED])).deeds_seen() == 1
    assert told(proof=[MISSED]).after(told(proof=[DEED])).deeds_seen() == 0


def test_a_way_in_short() -> None:
    assert short("lsm:a + kprobe:b + lsm:c") == "lsm + kprobe"


CATEGORIES = {"file_opened": "files", "gone": "files", "open": "syscalls"}


def test_what_was_seen_is_written_below_what_stands_on_the_page() -> None:
    first = page("# Kernels\n\nProse.\n", [told({"ways": {}, "seen": ["file_opened"]})], CATEGORIES)
    assert first.startswith("# Kernels\n\nProse.\n\n## What was seen\n")
    assert first.endswith("\nNot seen by a test on any of these kernels: gone.\n")
    failed = told({"ways": {}, "seen": [], "outcome": "failed", "why": "because\nmore"})
    second = page(first, [failed], CATEGORIES)
    assert second == page("# Kernels\n\nProse.\n", [failed], CATEGORIES)
    assert "- 6.1, best: test: a: `because`\n" in second


def test_events_without_a_doctor_s_table_have_their_category() -> None:
    line = json.dumps(
        {**TEST, "ways": {"open": "sys_exit:open", "gone": "lsm:gone", "older": "lsm:x"}, "seen": ["open"]}
    )
    text = page("", [Session.read("6.1", "best", line)], CATEGORIES)
    assert "| gone | lsm: not tested |\n| system calls | 1: 1 seen |\n" in text


def test_of_a_test_the_latest_run_counts() -> None:
    way = {"ways": {"file_opened": "lsm"}, "seen": ["file_opened"]}
    earlier = told({**way, "outcome": "failed"}, {**way, "test": "t.py::b"})
    both = told({**way}).after(Session.parse(earlier.to_text()))
    assert [(test["test"], test["outcome"]) for test in both.tests] == [("t.py::b", "passed"), ("t.py::a", "passed")]
    other = Session("6.12", "best")
    assert other.after(earlier).tests == []


def test_no_mirror_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither where apt knows none, nor where none answers; but a mirror that lacks the kernel is."""
    monkeypatch.setattr(debian, "CACHE", tmp_path)
    monkeypatch.setattr(debian, "output", lambda command, cwd=None: "")
    with pytest.raises(UnreachableError, match="no source"):
        debian.fetch("6.1")
    answers = lambda command, cwd=None: "http://a.example/debian bookworm\n"  # noqa: E731
    monkeypatch.setattr(debian, "output", answers)
    with pytest.raises(FetchError, match=r"bookworm at http://a.example/debian: .*leads to 0 kernels") as raised:
        debian.fetch("6.1")
    assert not isinstance(raised.value, UnreachableError)


def test_what_does_not_arrive_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mirror that answers, but does not hand out a package."""

    def answers(command: list[str], cwd: Path | None = None) -> str:
        if "download" in command:
            raise FetchError("Connection timed out")
        return ""

    monkeypatch.setattr(debian, "output", answers)
    apt = debian.Apt(tmp_path, ("bookworm",), "http://a.example/debian", None)
    with pytest.raises(UnreachableError, match="timed out"):
        apt.download(["linux-image-6.1"])


def test_no_command_goes_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PATIENCE", 0.1)
    with pytest.raises(FetchError, match="tail -f /dev/null: not done after 0 s"):
        debian.output(["tail", "-f", "/dev/null"])


@pytest.mark.parametrize("test", [*few.UNPROVEN, *few.SETTINGS["tests"].split()])
def test_what_runs_on_other_kernels_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    text = (Path(__file__).parents[2] / path).read_text(encoding="utf-8")
    assert not name or f"\ndef {name}(" in text
