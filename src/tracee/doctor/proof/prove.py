"""The proof: deeds are done while a tracer watches, and judged."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

from tracee import _core
from tracee.doctor.proof.doer import ALL_DONE, BEGINS, DOER, MARK, Doer
from tracee.doctor.proof.judge import Proof, Told, Way, judge
from tracee.doctor.proof.registry import RING_POLLED
from tracee.events import kinds

MARKER = "getpriority"
"""The event that a mark is told as: a plan for a proof must have it."""
_RINGS_ARE_THEIR_TASKS = (5, 12)
"""From this version of the kernel on, what works for an io_uring is a thread of the process that made it."""
_LOOK = 0.2
_PATIENCE = 300.0
"""Seconds: what no proof takes."""


def prove(tracer: _core.Tracer, doer: Doer, ways: Mapping[str, Way]) -> list[Proof]:
    """Has all deeds done, and judges each by what was told meanwhile.

    Args:
        tracer: made with the doer's scope, not yet begun; it has ended afterwards.
        doer: does the deeds.
        ways: how each event is taken.
    """
    told = _watch(tracer, doer)
    lost, _ = tracer.losses()
    unowned = unowned_manners(os.uname().release)
    proofs = []
    for index, done in enumerate(doer.said()):
        event = done.deed.event
        fields = [argument.name for argument in kinds()[event].args]
        proof = judge(done, told.get(index, []), ways.get(event), fields, unowned)
        if lost and proof.outcome == "unseen":
            proof = proof._replace(why=f"{proof.why}; {lost} events were lost meanwhile")
        proofs.append(proof)
    return proofs


def unowned_manners(release: str) -> dict[str, str]:
    """The manners of doing whose events a kernel of this release tells of a task that is not the doer's, and why."""
    version = tuple(map(int, re.findall(r"\d+", release)[:2]))
    if version < _RINGS_ARE_THEIR_TASKS:
        return {RING_POLLED: "before 5.12 a thread of the kernel does what it polls for, and the event is told of that"}
    return {}


def _watch(tracer: _core.Tracer, doer: Doer) -> dict[int, list[Told]]:
    """The events that tell of each deed, by its number: those between its marks that the doer itself did not cause."""
    tracer.begin([], subscribe=True)
    doer.go()
    watcher = _Watcher(doer)
    end = time.monotonic() + _PATIENCE
    while not watcher.at_end:
        ended = doer.ended()
        batch = tracer.batch(_LOOK)
        for event in batch or []:
            watcher.take(event)
        if not batch and (ended or time.monotonic() > end):
            break
    tracer.stop()
    # to take hundreds of programs off the kernel may last seconds: what comes until then is of no interest
    while tracer.batch(_LOOK) is not None and time.monotonic() < end:
        continue
    tracer.finish()
    return watcher.told


class _Watcher:
    def __init__(self, doer: Doer) -> None:
        self._deeds = doer.deeds
        self._doer_pid = -1
        self._current: int | None = None
        self.told: dict[int, list[Told]] = {}
        self.at_end = False

    def take(self, event: _core.Event) -> None:
        if event.name == MARKER and event.args["which"] == MARK:
            self._mark(event.args["who"], event.host_pid)
        elif self._current is None or event.host_pid == self._doer_pid:
            return
        elif event.name == self._deeds[self._current].event:
            self.told[self._current].append(Told(event.args, event.return_value))

    def _mark(self, number: int, process: int) -> None:
        if number == DOER:
            self._doer_pid = process
        elif number == ALL_DONE:
            self.at_end = True
        elif number % 2 == BEGINS:
            # again, where something was made ready: what came of that counts for nothing
            self._current = number // 2
            self.told[self._current] = []
        else:
            self._current = None
