"""The paths that a filter's value stands for, on a host made for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracee.policy import plan_from_flags
from tracee.policy.paths import Paths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A merged-/usr host with alternatives."""
    for folder in (
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "etc/alternatives",
        "run",
        "var",
        "home/ann",
        "data/www",
        "proc/7",
    ):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("bin", "sbin", "lib"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "srv").symlink_to("/data")
    for file in ("usr/bin/dash", "usr/bin/vim.basic", "usr/lib/libc.so", "run/x.sock", "data/www/index", "proc/7/maps"):
        (tmp_path / file).touch()
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    (tmp_path / "usr/bin/vi").symlink_to("/etc/alternatives/vi")
    (tmp_path / "etc/alternatives/vi").symlink_to("../../usr/bin/vim.basic")
    (tmp_path / "proc/self").symlink_to("7")
    (tmp_path / "etc/maps").symlink_to("/proc/self/maps")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("/nowhere")
    (tmp_path / "home/ann/up").symlink_to("../../../../../usr")
    return tmp_path


@pytest.mark.parametrize(
    ("value", "others"),
    [
        # the folder is resolved, the file is, and both may be called by a link to their folder
        ("/bin/sh", {"/usr/bin/sh", "/usr/bin/dash", "/bin/dash"}),
        ("/usr/bin/dash", {"/bin/dash"}),
        ("/usr/bin/vi", {"/usr/bin/vim.basic", "/bin/vi", "/bin/vim.basic"}),
        ("/bin/../bin/dash", {"/usr/bin/dash", "/bin/dash"}),
        ("//bin//dash", {"/usr/bin/dash", "/bin/dash"}),
        # patterns
        ("/bin/*", {"/usr/bin/*"}),
        ("/usr/bin/*", {"/bin/*"}),
        ("/bin/da*", {"/usr/bin/da*"}),
        ("/lib/*.so", {"/usr/lib/*.so"}),
        ("/lib/x*/*/y", {"/usr/lib/x*/*/y"}),
        ("/bin*", set()),
        ("/*", set()),
        ("*/sh", set()),
        # links elsewhere
        ("/var/run/x.sock", {"/run/x.sock"}),
        ("/run/x.sock", {"/var/run/x.sock"}),
        ("/srv/www/*", {"/data/www/*"}),
        ("/data/www/index", {"/srv/www/index"}),
        ("/home/ann/up/bin/sh", {"/usr/bin/sh", "/usr/bin/dash", "/bin/sh", "/bin/dash"}),
        # what is not there (yet) is found in the folder that is
        ("/bin/nc", {"/usr/bin/nc"}),
        ("/etc/passwd", set()),
        ("/nowhere/x", set()),
        ("/nowhere/*", set()),
        ("/dangling", set()),
        ("/dangling/x", set()),
        ("/usr/bin/dash/x", {"/bin/dash/x"}),
        ("/loop", set()),
        ("/loop/*", set()),
        # the links of /proc mean something else to everyone
        ("/proc/self/maps", set()),
        ("/etc/maps", set()),
        # no absolute paths
        ("bin/sh", set()),
        ("", set()),
        ("/", set()),
        ("sh", set()),
    ],
)
def test_other_spellings(root: Path, value: str, others: set[str]) -> None:
    found = Paths(str(root)).others(value)
    assert set(found) == others
    assert len(found) == len(others)


def test_a_host_without_links(tmp_path: Path) -> None:
    for folder in ("bin", "usr/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "sh").touch()
    paths = Paths(str(tmp_path))
    assert [paths.others(value) for value in ("/bin/sh", "/usr/bin/sh", "/bin/*")] == [()] * 3


def test_names_that_no_filter_can_say(root: Path) -> None:
    star, bytes_ = root / "usr/bin/a*b", os.fsencode(root / "usr/bin") + b"/\xff"
    star.touch()
    with open(bytes_, "wb"):
        pass
    (root / "etc/star").symlink_to("/usr/bin/a*b")
    os.symlink(b"/usr/bin/\xff", os.fsencode(root / "etc/bytes"))
    paths = Paths(str(root))
    assert paths.others("/etc/star") == ()
    assert paths.others("/etc/bytes") == ()


@settings(deadline=None)
@given(st.text(alphabet="/.*ab\0é", max_size=30))
def test_any_value_is_taken(value: str) -> None:
    for other in Paths().others(value):
        assert other.startswith("/")
        assert other.count("*") == value.count("*")


def test_the_plan_has_them_and_the_messages_do_not(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").touch()
    (tmp_path / "link").symlink_to("real")
    value, real = f"{tmp_path}/link/file", f"{tmp_path}/real/file"
    plan = plan_from_flags(["openat", "close"], [f"executable={value}", f"comm={value}"], [f"data.pathname!=x,{value}"])
    (policy,) = json.loads(plan.to_json())["policies"]
    assert policy["scope"] == [
        {"field": "executable", "op": "=", "values": [value, real]},
        {"field": "comm", "op": "=", "values": [value]},
    ]
    assert policy["rules"][0]["filters"] == [{"field": "data.pathname", "op": "!=", "values": ["x", value, real]}]
    assert str(plan.policies[0].rules[0].filters[0]) == f"data.pathname!=x,{value}"
    # what a list contains is text, no path
    plan = plan_from_flags(["execve"], filters=[f"data.argv={value}"])
    assert json.loads(plan.to_json())["policies"][0]["rules"][0]["filters"][0]["values"] == [value]
