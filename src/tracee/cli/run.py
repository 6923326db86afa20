"""One run: from settings to the last event written."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from tracee import _core, log, privileges
from tracee.cli.progress import Progress
from tracee.cli.serving import Serving
from tracee.cli.statistics import print_statistics
from tracee.config.assemble import with_origins
from tracee.config.settings import Settings
from tracee.container_settings import ContainerSettings, require
from tracee.detecting import Detecting
from tracee.errors import InputError, OutputError
from tracee.events import SIGNATURES
from tracee.kernel import load
from tracee.log import logger
from tracee.output import STDOUT, OutputSettings
from tracee.output_files import FOR_SINKS, OpenOutputs
from tracee.policy import Plan, plan_from, remarks
from tracee.reopening import reopening

if TYPE_CHECKING:
    from tracee.containers.enrich import Enrichment
    from tracee.sinks.frame.running import RunningSinks

_LOOK = 1.0
"""Seconds between two looks at losses, remarks and policies."""


def run(settings: Settings) -> None:
    """Traces until Ctrl-C, SIGTERM, or until no output takes any more.

    Raises:
        TraceeError: it could not begin, or an output failed.
    """
    log.set_up(settings.log)
    for remark in settings.remarks:
        logger.warning("%s", remark)
    reopening.add(log.reopen)
    reopening.listen()
    plan = plan_of(settings)
    output = settings.output
    output = settings.output
    with OpenOutputs(output.outputs, output.rotation) as outputs, Serving(settings.server) as serving:
        sinks = _open_sinks(settings.output)
        with Progress("loading programs into the kernel"):
            tracer = load(plan, settings.kernel)
        for note in tracer.notes:
            logger.info(note)
        _tell_plan(tracer, plan)
        _stop_on_signals(tracer)
        signatures = Detecting(tracer)
        signatures.use(plan)
        opened = outputs.begin()
        containers = settings.containers
        capture = settings.capture.to_json() if settings.capture.packets else None
        if sinks:
            opened.append(FOR_SINKS)
        try:
            tracer.begin(
                opened,
                parse_arguments=settings.output.parse_arguments,
                times=settings.output.times,
                category=SIGNATURES if settings.output.detect_only else None,
                exec_hash=settings.output.exec_hash,
                ask=containers.enrich,
                states=containers.states(),
                capture=capture,
            )
        except RuntimeError as error:
            raise OutputError(f"--capture: {error}") from error
        # before threads begin that need none
        privileges.give_up(settings.privileges, _needed(settings, tracer))
        reopening.add(partial(_reopen, outputs, tracer))
        if sinks:
            sinks.start(tracer)
        enrichment = _begin_enrichment(tracer, containers)
        losses = _Losses(tracer)
        looks: list[Callable[[], None]] = [losses.tell, partial(_tell_remarks, tracer), reopening.look, serving.look]
        looks.append(signatures.look)
        if settings.policies:
            from tracee.cli.reload import Reloader

            told = partial(_tell_plan, tracer)

            def plan_now() -> Plan:
                return signatures.use(plan_of(settings))

            looks.append(Reloader(tracer, settings.policies, plan_now, told, watch=settings.watch_policies).look)
        serving.begin(tracer, signatures.counters)
        logger.debug("tracing has begun")
        while not tracer.wait(_LOOK):
            for look in looks:
                look()
        try:
            tracer.finish()
        except RuntimeError as error:
            raise OutputError(str(error)) from error
        finally:
            if enrichment:
                enrichment.close()
            signatures.close()
            losses.tell()
            _tell_remarks(tracer)
            if sinks:
                sinks.close()
            if settings.stats:
                as_json = any(o.format == "json" for o in opened)
                print_statistics(tracer, signatures.counters(), as_json=as_json)


def _reopen(outputs: OpenOutputs, tracer: _core.Tracer) -> None:
    """All files are opened anew; one that cannot be does not keep the others from it."""
    failed = None
    for index, output in enumerate(outputs.opened):
        try:
            if output.reopen():
                tracer.reopen(index, output.fd)
        except OSError as error:
            failed = OutputError(f"--output {output.path}: {error.strerror}")
    if failed:
        raise failed


def _needed(settings: Settings, tracer: _core.Tracer) -> dict[str, str]:
    """The capabilities that this run needs from now on, and what for."""
    files = [output.to for output in settings.output.outputs if output.to != STDOUT]
    files += [settings.log.file] if settings.log.file else []
    files += [f"{settings.capture.folder}/file"] if settings.capture.packets else []
    ways = [way for way, _, _ in tracer.ways.values()]
    return privileges.needed(ways, files, replaces=bool(settings.policies))


def _open_sinks(output: OutputSettings) -> RunningSinks | None:
    """The sinks, where there are some; nothing is sent yet."""
    if not output.sinks:
        return None
    from tracee.sinks.frame.delivery import SpoolSettings
    from tracee.sinks.frame.running import RunningSinks

    return RunningSinks(output.sinks, output.spool or SpoolSettings())


def plan_of(settings: Settings) -> Plan:
    """What is to be traced, by flags and policy files as they are now.

    Raises:
        InputError: all that is wrong with it.
    """
    try:
        plan = plan_from(settings.events, settings.scope, settings.filters, settings.policies)
    except InputError as error:
        raise InputError(*with_origins(error.lines, settings.origins)) from error
    require(plan, settings.containers)
    return plan._replace(capture_packets=settings.capture.packets)


def _begin_enrichment(tracer: _core.Tracer, settings: ContainerSettings) -> Enrichment | None:
    if not settings.enrich:
        return None
    # imported when tracing has begun: it takes longer than all else that is
    from tracee.containers.enrich import Enrichment

    return Enrichment(tracer, settings.sockets)


def _tell_plan(tracer: _core.Tracer, plan: Plan) -> None:
    """Says what is odd in a plan that is in use, how each of its events is taken, and what cannot be had."""
    named = {word for policy in plan.policies for word in policy.written}
    for event, remark in remarks(plan).items():
        logger.log(_gravity(event, named), remark)
    for text in tracer.refusals:
        logger.debug("done without: %s", text)
    for event, why in tracer.unavailable.items():
        logger.log(_gravity(event, named), "event %s is not available on this kernel: %s", event, why)
    for signature in plan.signatures:
        lacking = sorted({rule.event for rule in signature.rules} & tracer.unavailable.keys())
        if lacking:
            gravity = _gravity(signature.name, named)
            logger.log(gravity, "%s sees less: this kernel does not tell %s", signature.name, ", ".join(lacking))
    for event, (way, misses, _) in tracer.ways.items():
        logger.debug("%s is taken by %s%s", event, way, f", which misses {misses}" if misses else "")


def _tell_remarks(tracer: _core.Tracer) -> None:
    for remark in tracer.remarks():
        logger.debug("%s", remark)
    for problem in tracer.capture_problems():
        logger.warning("--capture: %s", problem)
    for problem in tracer.output_problems():
        logger.warning("--output: %s", problem)


def _gravity(event: str, named: set[str]) -> int:
    """How grave it is that an event tells nothing: said aloud where the user named it, else for who asks."""
    return logging.WARNING if event in named else logging.DEBUG


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
        self._told_of_processes = 0

    def tell(self) -> None:
        missed = self._tracer.counters()["controlLost"]
        if missed > self._told_of_processes:
            self._told_of_processes = missed
            logger.warning("process records lost: %d; the processes are read anew from /proc", missed)
        lost, since = self._tracer.losses()
        if lost > self._told:
            self._told = lost
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since / 1e9))
            logger.warning("events lost: %d (since %s)", lost, moment)
