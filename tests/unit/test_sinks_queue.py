"""What waits for a sink: batches, order, bounds, and the way to the disk and back."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracee.sinks.frame.delivery import Delivery
from tracee.sinks.frame.queue import Queue
from tracee.sinks.frame.spool import Spool


def lines(first: int, count: int) -> bytes:
    return b"".join(b'{"n":%d}\n' % n for n in range(first, first + count))


def told(text: str) -> None:
    raise AssertionError(text)


def take_all(queue: Queue) -> bytes:
    """All that is left, after the end."""
    taken = b""
    while (batch := queue.next()) is not None:
        assert batch.events == batch.lines.count(b"\n")
        taken += batch.lines
        queue.done(batch)
    return taken


def test_blocks_become_batches_of_the_wanted_size() -> None:
    queue = Queue(Delivery(batch_events=10), None, told)
    queue.put(lines(0, 4), 4)
    queue.put(lines(4, 25), 25)
    queue.end()
    sizes = []
    while (batch := queue.next()) is not None:
        sizes.append(batch.events)
        queue.done(batch)
    assert sum(sizes) == 29
    assert max(sizes) <= 10


@given(
    st.lists(st.integers(1, 40), max_size=20),
    st.integers(1, 30),
    st.integers(8, 300),
)
def test_batches_hold_every_event_once_in_order_within_bounds(
    blocks: list[int], most_events: int, most_bytes: int
) -> None:
    queue = Queue(Delivery(batch_events=most_events, batch_bytes=most_bytes), None, told)
    first = 0
    for count in blocks:
        queue.put(lines(first, count), count)
        first += count
    queue.end()
    taken = b""
    while (batch := queue.next()) is not None:
        assert batch.events <= most_events
        assert len(batch.lines) <= most_bytes or batch.events == 1
        taken += batch.lines
        queue.done(batch)
    assert taken == lines(0, first)
    assert (queue.dropped, queue.queued, queue.bytes) == (0, 0, 0)


def test_a_small_batch_comes_when_its_time_is_over() -> None:
    queue = Queue(Delivery(flush=0.05), None, told)
    begun = time.monotonic()
    queue.put(lines(0, 1), 1)
    batch = queue.next()
    assert batch is not None
    assert time.monotonic() - begun >= 0.05
    assert queue.next() == batch, "it stays until it is done"


def test_without_a_spool_the_newest_is_dropped_and_counted() -> None:
    queue = Queue(Delivery(batch_events=10, queue_bytes=1000), None, told)
    for block in range(100):
        queue.put(lines(block * 10, 10), 10)
    assert queue.bytes <= 1000
    queue.end()
    taken = take_all(queue)
    count = taken.count(b"\n")
    assert taken == lines(0, count)
    assert count + queue.dropped == 1000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spools" / "one"), 1 << 20, told)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=40), st.booleans(), st.integers(200, 4000))
def test_by_way_of_the_disk_all_comes_in_order_over_a_restart(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], failing: bool, memory: int
) -> None:
    """Blocks put, some batches taken in between; then an end without delivery, and a start that delivers the rest."""
    folder = str(tmp_path_factory.mktemp("spool") / "one")
    spool = Spool(folder, 1 << 20, told)
    queue = Queue(Delivery(batch_events=7, queue_bytes=memory), spool, told)
    queue.failing = failing
    keeper = Thread(target=queue.keep)
    keeper.start()
    taken, first, dropped = b"", 0, 0
    for count, takes in steps:
        queue.put(lines(first, count), count)
        first += count
        for _ in range(takes):
            if queue.queued + spool.events < 8:
                break  # it might be the batch that is still open, and next would wait for it
            batch = queue.next()
            assert batch is not None
            taken += batch.lines
            queue.done(batch)
    queue.close()
    keeper.join()
    queue.save()
    dropped = queue.dropped
    spool.close()
    again = Spool(folder, 1 << 20, told)
    queue = Queue(Delivery(), again, told)
    queue.end()
    taken += take_all(queue)
    again.close()
    assert taken.count(b"\n") + dropped == first
    numbers = [int(line[5:-1]) for line in taken.splitlines()]
    assert numbers == sorted(set(numbers))


def test_memory_is_left_for_the_disk_when_it_is_half_full(spool: Spool) -> None:
    queue = Queue(Delivery(batch_events=10, queue_bytes=10_000), spool, told)
    keeper = Thread(target=queue.keep)
    keeper.start()
    for block in range(500):
        queue.put(lines(block * 10, 10), 10)
        while queue.bytes > 8000:
            time.sleep(0.001)  # the disk is behind
    assert spool.events > 4000
    queue.end()
    taken = take_all(queue)
    assert taken == lines(0, 5000)
    assert queue.dropped == 0
    queue.close()
    keeper.join()


def test_once_sending_fails_the_disk_has_all(spool: Spool) -> None:
    queue = Queue(Delivery(batch_events=10), spool, told)
    keeper = Thread(target=queue.keep)
    keeper.start()
    queue.put(lines(0, 10), 10)
    queue.failing = True
    queue.put(lines(10, 10), 10)
    while spool.events < 10:
        time.sleep(0.001)
    assert queue.queued == 10
    queue.close()
    keeper.join()
