"""One run: from settings to the last event written."""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from types import FrameType

from tracee import _core
from tracee.cli.flags import Settings
from tracee.errors import OutputError
from tracee.events import select
from tracee.kernel import load
from tracee.log import logger, set_up
from tracee.output import OpenOutputs
from tracee.policy import plan_from_flags

_LOOK = 1.0
"""Seconds between two looks at the losses: so often they are told at most."""


def run(settings: Settings) -> None:
    """Traces until Ctrl-C, SIGTERM, or until no output takes any more.

    Raises:
        TraceeError: it could not begin, or an output failed.
    """
    set_up(settings.log_level)
    plan = plan_from_flags(select(settings.events), settings.scope, settings.filters)
    with OpenOutputs(settings.output.outputs) as outputs:
        tracer = load(plan, settings.kernel)
        for note in tracer.notes:
            logger.info(note)
        _tell_ways(tracer, set(settings.events))
        _stop_on_signals(tracer)
        outputs.begin()
        parse_arguments = settings.output.parse_arguments
        tracer.begin([(o.format, o.fd, parse_arguments, o.width()) for o in outputs.opened])
        logger.debug("tracing has begun")
        losses = _Losses(tracer)
        while not tracer.wait(_LOOK):
            losses.tell()
        try:
            tracer.finish()
        except RuntimeError as error:
            raise OutputError(str(error)) from error
        finally:
            losses.tell()
            if settings.stats:
                _print_statistics(tracer, as_json=any(o.format == "json" for o in outputs.opened))


def _tell_ways(tracer: _core.Tracer, named: set[str]) -> None:
    """Says what cannot be had: aloud where the user named it, else for who asks."""
    for text in tracer.refusals:
        logger.debug("done without: %s", text)
    for event, why in tracer.unavailable.items():
        level = logging.WARNING if event in named else logging.DEBUG
        logger.log(level, "event %s is not available on this kernel: %s", event, why)
    for event, (way, misses, _) in tracer.ways.items():
        logger.debug("%s is taken by %s%s", event, way, f", which misses {misses}" if misses else "")


def _stop_on_signals(tracer: _core.Tracer) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        tracer.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


class _Losses:
    """Tells of losses when, and only when, there are new ones."""

    def __init__(self, tracer: _core.Tracer) -> None:
        self._tracer = tracer
        self._told = 0

    def tell(self) -> None:
        lost, since = self._tracer.losses()
        if lost > self._told:
            self._told = lost
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since / 1e9))
            logger.warning("events lost: %d (since %s)", lost, moment)


def _print_statistics(tracer: _core.Tracer, *, as_json: bool) -> None:
    counters = tracer.counters()
    if as_json:
        print(json.dumps({"stats": counters}), file=sys.stderr)
        return
    width = max(map(len, counters))
    for name, value in counters.items():
        print(f"{name:{width}}  {value}", file=sys.stderr)
