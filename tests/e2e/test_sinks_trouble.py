"""Receivers and disks in trouble, and what becomes of the events: every trouble is really made."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from conftest import PATIENCE, Tracee, wait_until
from receivers import (
    NAME,
    Answer,
    Receiver,
    Request,
    Traced,
    call_until,
    figures,
    in_order,
    reset,
    silence,
    sink_counters,
)


def test_a_receiver_that_was_away_under_load_gets_all_in_order(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    """A load that does not end meanwhile, as fast as the disk is: what waits is far more than the memory takes."""
    with tracee.run(*traced.arguments(receiver.url(queue_bytes="8MiB"))) as run:
        calls(1000)
        wait_until(lambda: receiver.asked > 0, "the first batch")
        receiver.stop()
        sent = traced.written()

        def has_room(events: int) -> bool:
            """The memory takes 8 MiB, which must not be full when the next ones come."""
            return traced.events() == events and traced.written() - sent - traced.spooled() < 3 << 20

        for made in range(3500, 151_001, 2500):
            calls(2500)
            wait_until(partial(has_room, made), "the spool to be used")
        receiver.start()
        for _ in range(10):
            calls(1000)
        # half a minute at most until it is tried again, and then 90 MB that this process has to read, too
        wait_until(partial(receiver.has, 161_000), "all events", patience=180)
        assert run.end() == 0
    told = figures(traced.truth, receiver.lines)
    (counters,) = sink_counters(run)
    print(told, counters)
    assert (told["events"], told["lost"], told["invented"]) == (161_000, 0, 0)
    assert told["doubled"] <= 1000, "what was under way when the receiver went"
    assert in_order(receiver.lines)
    assert counters["retried"] > 0
    assert (counters["dropped"], counters["spoolBytes"], traced.spooled()) == (0, 0, 0)
    assert "events lost" not in run.stderr


def test_what_is_left_at_the_end_is_sent_at_the_next_start(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    receiver.stop()
    with tracee.run(*traced.arguments(receiver.url())) as run:
        calls(10_000)
        begun = time.monotonic()
        assert run.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 30
    before = traced.truth
    assert "WARN webhook http://127.0.0.1" in run.stderr
    assert "10000 events are left in the spool" in run.stderr
    receiver.start()
    with tracee.run(*traced.arguments(receiver.url())) as run:
        calls(100)
        wait_until(partial(receiver.has, 10_100), "all events")
        assert run.end() == 0
    assert receiver.lines == before + traced.truth
    assert traced.spooled() == 0


def test_after_a_kill_the_spool_is_sent_and_files_hold_whole_lines(
    tracee: Tracee, traced: Traced, receiver: Receiver, compile_c: Callable[..., Path]
) -> None:
    receiver.stop()
    load = subprocess.Popen([compile_c("caller", NAME), "calls", "10000000"])
    try:
        with tracee.run(*traced.arguments(receiver.url(batch_events=100))) as run:
            wait_until(lambda: traced.spooled() > 8 << 20, "the spool to be used")
            run.process.kill()
            run.process.wait(PATIENCE)
    finally:
        load.kill()
        load.wait()
    whole, _, rest = traced.file.read_bytes().rpartition(b"\n")
    truth = whole.splitlines()
    assert all(json.loads(line)["eventName"] == "getppid" for line in truth)
    assert not rest.endswith(b"}")
    # as if the machine had gone down, too: the last batch is half written
    last = max(traced.spool.rglob("*.events"))
    os.truncate(last, last.stat().st_size - 10)
    receiver.start()
    with tracee.run("--log", "debug", *traced.arguments(receiver.url())) as run:
        (left,) = map(int, re.findall(r"(\d+) events are left from before", run.stderr))
        wait_until(partial(receiver.has, left), "what was left")
        assert run.end() == 0
    assert "half a batch" in run.stderr
    assert left > 5000
    assert len(receiver.lines) == left == len(set(receiver.lines))
    assert in_order(receiver.lines)
    assert all(json.loads(line)["eventName"] == "getppid" for line in receiver.lines)


@pytest.fixture
def small_disk(traced: Traced) -> Iterator[Path]:
    """A disk of 4 MiB where the spool is to be."""
    traced.spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(traced.spool)], check=True)
    yield traced.spool
    subprocess.run(["umount", str(traced.spool)], check=True)


def test_a_full_disk_loses_only_what_is_counted(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None], small_disk: Path
) -> None:
    receiver.stop()
    with tracee.run(*traced.arguments(receiver.url(queue_bytes="1MiB"))) as run:
        call_until(lambda: "the spool cannot be written: No space left on device" in run.stderr, calls)
        call_until(lambda: "events dropped so far" in run.stderr, calls)
        receiver.start()
        wait_until(lambda: traced.spooled() == 0, "the spool to be sent")
        calls(100)
        assert run.end() == 0
    told = figures(traced.truth, receiver.lines)
    (counters,) = sink_counters(run)
    print(told, counters)
    assert (told["doubled"], told["invented"]) == (0, 0)
    assert told["lost"] == counters["dropped"] > 0
    assert in_order(receiver.lines)
    assert traced.truth[-100:] == receiver.lines[-100:]


def test_a_spool_keeps_to_its_size(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    receiver.stop()
    size = 1 << 20
    with tracee.run(*traced.arguments(receiver.url(queue_bytes="1MiB"), options=f",spool-size={size}")) as run:
        call_until(lambda: f"the spool is full ({size} bytes)" in run.stderr, calls)
        assert run.end() == 0
    assert 0 < traced.spooled() <= size
    (counters,) = sink_counters(run)
    assert counters["spooled"] + counters["dropped"] == len(traced.truth)


def nonsense(request: Request) -> None:
    request.wfile.write(b"\x00\xff" * 50_000 + b"\r\n\r\n")
    request.close_connection = True


def drips(request: Request) -> None:
    """A byte of an endless head now and then: every single wait is short."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    released = request.server.receiver.released
    try:
        while not released.wait(0.1):
            request.wfile.write(b"x")
    except OSError:
        pass
    request.close_connection = True


def endless(request: Request) -> None:
    """A body without end, after a refusal."""
    request.send_response(503)
    request.end_headers()
    try:
        while not request.server.receiver.released.is_set():
            request.wfile.write(b"x" * 65536)
    except OSError:
        pass
    request.close_connection = True


TROUBLES: dict[str, Answer] = {
    "never answers": silence,
    "500": lambda request: request.say(500),
    "503 for a while": lambda request: request.say(503, Retry_After="1"),
    "429": lambda request: request.say(429, Retry_After="1"),
    "429 for ever": lambda request: request.say(429, Retry_After="nonsense, 99 Foo"),
    "nonsense": nonsense,
    "resets": reset,
    "drips": drips,
    "endless": endless,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_a_receiver_does_it_gets_all_when_it_is_well(
    tracee: Tracee,
    traced: Traced,
    receiver: Receiver,
    other: Receiver,
    calls: Callable[[int], None],
    trouble: str,
) -> None:
    """... and another receiver gets all meanwhile."""
    receiver.answer = TROUBLES[trouble]
    with tracee.run(*traced.arguments(receiver.url(timeout="500ms", flush="100ms"), other.url(flush="100ms"))) as run:
        calls(3000)
        wait_until(lambda: receiver.asked >= 2, "a second try")
        wait_until(partial(other.has, 3000), "the other receiver to have all")
        assert receiver.batches == []
        receiver.answer = Request.take
        receiver.released.set()
        wait_until(partial(receiver.has, 3000), "all events")
        assert run.end() == 0
    told = figures(traced.truth, receiver.lines)
    assert (told["events"], told["lost"], told["invented"]) == (3000, 0, 0)
    assert other.lines == traced.truth
    assert in_order(receiver.lines)
    bad, good = sink_counters(run)
    assert bad["retried"] >= 1
    assert (bad["dropped"], bad["refused"], good["retried"]) == (0, 0, 0)


def test_a_dead_receiver_does_not_slow_the_tracer(
    tracee: Tracee, traced: Traced, receiver: Receiver, other: Receiver, calls: Callable[[int], None]
) -> None:
    """A load as it was without it: the kernel loses none, the file has all, and so has the other receiver."""
    receiver.answer = silence
    with tracee.run(*traced.arguments(receiver.url(drain="100ms"), other.url())) as run:
        for burst in range(40):
            calls(5000)
            wait_until(partial(other.has, burst * 5000 - 10_000), "the other receiver to have what came before")
        wait_until(partial(other.has, 200_000), "the other receiver to have all")
        assert run.end() == 0
        receiver.released.set()
    assert "events lost" not in run.stderr
    assert len(traced.truth) == 200_000
    assert other.lines == traced.truth
    dead, good = sink_counters(run)
    assert good["sent"] == dead["spooled"] == 200_000
