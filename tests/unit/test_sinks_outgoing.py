"""A sink at work: when it is tried again, given up, aborted; what is told of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from tracee import sinks
from tracee.errors import OutputError
from tracee.log import logger
from tracee.sinks.frame import outgoing as frame
from tracee.sinks.frame.batch import Batch, RefusedError, RetryError, Sink
from tracee.sinks.frame.delivery import Delivery, SpoolSettings
from tracee.sinks.frame.outgoing import Backoff, Outgoing, Teller, finish
from tracee.sinks.frame.running import RunningSinks

NOWHERE = SpoolSettings(folder=None)
PATIENCE = 30.0


class Scripted(Sink):
    """Does with each batch what the script says next; after its end it takes all."""

    def __init__(self, *script: Exception | Callable[[], None], name: str = "scripted x") -> None:
        self.name = name
        self.script = list(script)
        self.tried: list[str] = []
        self.taken: list[Batch] = []
        self.aborted = Event()

    def send(self, batch: Batch) -> None:
        self.tried.append(batch.id)
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            step()
        self.taken.append(batch)

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(frame, "_FIRST_WAIT", 0.001)
    before = len(frame._current)
    yield
    del frame._current[before:]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def started(sink: Sink, spool: SpoolSettings = NOWHERE, *, batch_events: int = 1000, drain: float = 5.0) -> Outgoing:
    made = Outgoing(sink, Delivery(flush=0.001, batch_events=batch_events, drain=drain), spool)
    made.start()
    return made


def test_what_fails_is_sent_again_as_the_same_batch() -> None:
    sink = Scripted(RetryError("not now"), ConnectionResetError(104, "reset"), TimeoutError("timed out"))
    outgoing = started(sink)
    outgoing.put(b"{}\n", 1)
    wait_until(lambda: bool(sink.taken))
    finish([outgoing])
    assert len(sink.tried) == 4
    assert len(set(sink.tried)) == 1
    counters = outgoing.counters()
    assert (counters.sent, counters.batches, counters.retried, counters.queued) == (1, 1, 3, 0)
    assert counters.last_error == ""


def test_what_is_refused_is_dropped() -> None:
    outgoing = started(Scripted(RefusedError("it answers 400")), batch_events=1)
    outgoing.put(b"{}\n{}\n", 2)
    finish([outgoing])
    counters = outgoing.counters()
    assert (counters.sent, counters.refused, counters.dropped, counters.queued) == (1, 1, 0, 0)


def test_a_sink_with_a_defect_does_not_stand_still_for_ever() -> None:
    sink = Scripted(*[KeyError("defect")] * 5)
    outgoing = started(sink, batch_events=1)
    outgoing.put(b"{}\n{}\n", 2)
    wait_until(lambda: bool(sink.taken))
    finish([outgoing])
    assert (outgoing.counters().refused, outgoing.counters().sent) == (1, 1)


def test_what_takes_too_long_is_aborted_and_no_receipt(caplog: pytest.LogCaptureFixture) -> None:
    sink = Scripted()
    sink.script.append(lambda: void(sink.aborted.wait(PATIENCE)))
    sink.patience = 0.01
    outgoing = started(sink)
    outgoing.put(b"{}\n", 1)

    def aborted() -> bool:
        outgoing.look()
        return sink.aborted.is_set()

    wait_until(aborted)
    wait_until(lambda: outgoing.counters().sent == 1)
    finish([outgoing])
    assert outgoing.counters().retried == 1


def void(_: object) -> None:
    pass


def test_a_receiver_that_never_answers_holds_up_the_end_for_a_bounded_time(tmp_path: Path) -> None:
    sink = Scripted()
    sink.script.append(lambda: void(sink.aborted.wait(PATIENCE)))
    outgoing = started(sink, SpoolSettings(str(tmp_path / "spool")), drain=0.01)
    outgoing.put(b'{"n":1}\n', 1)
    wait_until(lambda: bool(sink.tried))
    outgoing.put(b'{"n":2}\n', 1)
    finish([outgoing])
    assert sink.aborted.is_set()
    assert outgoing.counters().spooled == 2
    again = Scripted()
    outgoing = started(again, SpoolSettings(str(tmp_path / "spool")))
    wait_until(lambda: sum(batch.events for batch in again.taken) == 2)
    finish([outgoing])
    assert b"".join(batch.lines for batch in again.taken) == b'{"n":1}\n{"n":2}\n'
    assert again.tried[0] == sink.tried[0], "the receiver can tell that it may have this one"


def test_waits_are_random_grow_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "_FIRST_WAIT", 0.5)
    most = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    seen = []
    for _ in range(200):
        backoff = Backoff()
        seen.append([backoff.next(0.0) for _ in most])
    for step, bound in enumerate(most):
        waits = [waits[step] for waits in seen]
        assert bound / 2 < max(waits) <= bound
        assert min(waits) < bound / 4
    assert Backoff().next(7.0) == 7.0
    assert Backoff().next(1e9) == 300.0


def test_the_log_is_not_flooded(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "handlers", [])
    teller = Teller("a sink")
    with caplog.at_level(logging.WARNING, logger="tracee"):
        for number in range(1000):
            teller.warn(f"{number} events dropped so far")
            teller.warn("Connection refused")
        teller.again()
        teller.again()
        teller.warn("Connection refused")
    assert [record.getMessage() for record in caplog.records] == [
        "a sink: 0 events dropped so far",
        "a sink: Connection refused",
        "a sink: takes events again",
        "a sink: Connection refused",
    ]


def test_counters_are_there_for_others() -> None:
    outgoing = started(Scripted(name="scripted counters"))
    outgoing.put(b"{}\n", 1)
    finish([outgoing])
    assert sinks.counters()["scripted counters"] == outgoing.counters()
    assert outgoing.counters().by_name()["queuedBytes"] == 0


def test_a_spool_in_use_is_an_error_only_if_it_was_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "handlers", [])
    asked = SpoolSettings(str(tmp_path / "spool"), asked=True)
    first = Outgoing(Scripted(), Delivery(), asked)
    with pytest.raises(OutputError, match="in use by another process"):
        Outgoing(Scripted(), Delivery(), asked)
    with caplog.at_level(logging.WARNING, logger="tracee"):
        Outgoing(Scripted(), Delivery(), asked._replace(asked=False))
    assert "in use by another process; what does not fit into memory will be dropped" in caplog.text
    first.start()
    finish([first])


def test_spools_of_receivers_that_are_not_set_any_more_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "handlers", [])
    spool = SpoolSettings(str(tmp_path / "spool"))
    left = started(Scripted(*[RetryError("down")] * 9), spool)
    left.put(b"{}\n", 1)
    finish([left])
    assert left.counters().spooled == 1
    with caplog.at_level(logging.WARNING, logger="tracee"):
        RunningSinks([sinks.settings("webhook", "http://127.0.0.1:9/")], spool)
    assert "scripted-x-" in caplog.text
    assert "no sink of this run" in caplog.text
