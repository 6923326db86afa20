"""What words select."""

from __future__ import annotations

import pytest

from tracee.errors import InputError
from tracee.events import catalogue, kinds, listing, select, sets


def test_names_sets_and_wildcards() -> None:
    assert select(["openat", "close"]) == [n for n in kinds() if n in ("openat", "close")]
    assert set(select(["syscalls"])) == {n for n, kind in kinds().items() if kind.category == "syscalls"}
    assert set(select(["open*"])) == {"open", "openat", "openat2", "open_tree", "open_tree_attr", "open_by_handle_at"}
    assert select(["*proc*exec"]) == ["sched_process_exec"]
    assert set(select(["net_sock"])) < set(select(["net"]))


def test_what_is_left_out() -> None:
    assert "read" not in select(["syscalls", "-read"])
    assert "read" not in select(["-read", "syscalls"])
    assert set(select(["-ptrace"])) == set(sets()["default"]) - {"ptrace"}


def test_all_is_everything_but_what_tracee_tells_of_itself() -> None:
    assert set(kinds()) - set(select(["all"])) == {"events_lost"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["opnat"], r'unknown event "opnat" \(nearest: openat\)'),
        (["-opnat"], r'unknown event "opnat" \(nearest: openat\)'),
        (["syscall"], r'unknown event "syscall" \(nearest: syscalls\)'),
        (["xyz*"], r'no event matches "xyz\*"'),
        (["openat", "-openat"], "no event is left"),
    ],
)
def test_what_selects_nothing(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(words)


def test_every_record_of_the_catalogue_is_whole() -> None:
    for kind in catalogue().values():
        assert kind.about and not kind.about.endswith("."), kind.name
        assert len({arg.name for arg in kind.args}) == len(kind.args), kind.name
        assert kind.attach, kind.name
    assert len([kind for kind in catalogue().values() if kind.category == "syscalls"]) >= 447


def test_listing_has_a_line_for_each() -> None:
    head, *lines = listing().splitlines()
    assert head.split() == ["EVENT", "CATEGORY", "SETS"]
    assert [line.split()[0] for line in lines] == list(kinds())
