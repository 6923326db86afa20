"""The spool: order, restarts, damage, bounds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracee.sinks.frame.batch import Batch
from tracee.sinks.frame.spool import Spool, SpoolInUseError

RUN = b"12345678"


def batch(number: int, size: int = 30) -> Batch:
    lines = b'{"n":%d,"x":"%s"}\n' % (number, b"x" * size)
    return Batch(number, RUN, 1, lines)


class Opened:
    """A spool in a folder that can be opened again and again, and what it told."""

    def __init__(self, folder: Path, size: int = 1 << 20) -> None:
        self.folder = folder / "spools" / "one"
        self.size = size
        self.told: list[str] = []

    def __call__(self) -> Spool:
        return Spool(str(self.folder), self.size, self.told.append)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.events"))


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path)


def drain(spool: Spool) -> list[int]:
    numbers = []
    while (found := spool.peek()) is not None:
        assert found == batch(found.number, len(found.lines) - len(batch(found.number, 0).lines))
        numbers.append(found.number)
        spool.advance()
    return numbers


def test_batches_come_back_in_order_after_a_restart(opened: Opened) -> None:
    spool = opened()
    for number in range(1, 6):
        assert spool.append(batch(number))
    assert spool.events == 5
    spool.close()
    spool = opened()
    assert (spool.events, spool.last) == (5, 5)
    assert spool.append(batch(6))
    assert drain(spool) == [1, 2, 3, 4, 5, 6]
    assert (spool.events, spool.bytes, opened.files()) == (0, 0, [])
    assert opened.told == []


def test_what_is_delivered_does_not_come_back(opened: Opened) -> None:
    spool = opened()
    for number in range(1, 5):
        spool.append(batch(number))
    assert spool.peek() == batch(1)
    spool.advance()
    assert spool.peek() == batch(2)
    spool.advance()
    spool.close()
    spool = opened()
    assert spool.events == 2
    assert drain(spool) == [3, 4]


def test_only_its_owner_can_read_it(opened: Opened) -> None:
    spool = opened()
    spool.append(batch(1))
    for folder in (opened.folder, opened.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in opened.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_processes_cannot_have_it(opened: Opened) -> None:
    spool = opened()
    with pytest.raises(SpoolInUseError):
        opened()
    spool.close()
    opened().close()


def test_a_link_in_its_place_is_refused(opened: Opened, tmp_path: Path) -> None:
    opened.folder.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    opened.folder.symlink_to(elsewhere)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        opened()
    assert list(elsewhere.iterdir()) == []


def test_it_takes_no_more_than_its_size(opened: Opened) -> None:
    opened.size = 64 << 10
    spool = opened()
    number = 0
    while spool.append(batch(number + 1, 3000)):
        number += 1
    assert number >= 15
    assert sum(file.stat().st_size for file in opened.files()) == spool.bytes <= opened.size
    assert len(opened.files()) > 1
    # the oldest segment gone, there is room again
    before = len(opened.files())
    while len(opened.files()) == before:
        assert spool.peek() is not None
        spool.advance()
    assert spool.append(batch(number + 1, 3000))


def test_older_batches_can_be_put_before(opened: Opened) -> None:
    spool = opened()
    for number in (5, 6):
        spool.append(batch(number))
    assert spool.prepend([batch(3), batch(4)]) == 0
    spool.close()
    assert drain(opened()) == [3, 4, 5, 6]


def test_a_full_spool_takes_what_it_can_of_older_batches(opened: Opened) -> None:
    opened.size = 64 << 10
    spool = opened()
    spool.append(batch(9, 3000))
    lost = spool.prepend([batch(3, 30_000), batch(4, 40_000), batch(5, 100)])
    assert lost == 1
    assert any("it is full" in text for text in opened.told)
    spool.close()
    spool = opened()
    assert drain(spool) == [3, 5, 9]


def test_half_a_batch_at_the_end_is_dropped(opened: Opened) -> None:
    spool = opened()
    for number in (1, 2, 3):
        spool.append(batch(number))
    spool.close()
    (file,) = opened.files()
    os.truncate(file, file.stat().st_size - 7)
    spool = opened()
    assert "half a batch" in opened.told[0]
    assert spool.append(batch(4))
    assert drain(spool) == [1, 2, 4]


def test_a_changed_byte_costs_one_batch(opened: Opened) -> None:
    spool = opened()
    for number in (1, 2, 3):
        spool.append(batch(number))
    spool.close()
    (file,) = opened.files()
    text = bytearray(file.read_bytes())
    text[text.index(b'"n":2')] ^= 1
    file.write_bytes(text)
    spool = opened()
    assert drain(spool) == [1, 3]
    assert (spool.damaged, spool.events) == (1, 0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_a_crash_or_a_disk_leaves_the_rest_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any bytes changed, any end cut off: what is read back is whole, in order, and nothing that was not there."""
    opened = Opened(tmp_path_factory.mktemp("spool"))
    spool = opened()
    for number in range(1, 8):
        spool.append(batch(number, number * 5))
    spool.peek()
    spool.advance()
    spool.close()
    for file in [*opened.files(), opened.folder / "cursor"]:
        text = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(text[: data.draw(st.integers(0, len(text)))])
    spool = opened()
    found = drain(spool)
    assert found == sorted(set(found))
    assert set(found) <= set(range(1, 8))
    assert spool.events == 0
    assert opened.files() == []
