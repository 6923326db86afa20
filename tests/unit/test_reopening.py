"""SIGUSR1 has files opened anew."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest

from tracee.errors import OutputError
from tracee.reopening import Reopening


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_all_are_opened_once_for_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(logging.getLogger("tracee"), "error", lambda form, *values: told.append(form % values))
    opened: list[str] = []

    def fails() -> None:
        raise OutputError("it cannot be opened")

    reopening = Reopening()
    reopening.add(lambda: opened.append("a"))
    reopening.add(fails)
    reopening.add(lambda: opened.append("b"))
    reopening.listen()
    reopening.look()
    assert opened == []
    os.kill(os.getpid(), signal.SIGUSR1)
    reopening.look()
    reopening.look()
    assert opened == ["a", "b"]
    assert told == ["SIGUSR1: it cannot be opened"]
