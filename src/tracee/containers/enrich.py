"""From the tracer's questions to the runtimes' answers, beside the trace: nothing here holds it up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tracee.containers.resolver import Resolver, resolver
from tracee.containers.sockets import known
from tracee.log import logger

if TYPE_CHECKING:
    from tracee import _core
    from tracee.containers.metadata import Metadata

_WORKERS = 16
"""Questions asked at once."""
_PAUSES = (0.05, 0.1, 0.2)
"""Seconds between the times a runtime is asked: some make a container's cgroup before they know it themselves."""
_LOOK = 1.0


class Enrichment:
    """Answers a tracer's questions about containers, from its beginning to its end."""

    def __init__(self, tracer: _core.Tracer, sockets: Sequence[tuple[str | None, str]]) -> None:
        """Begins; the tracer must have begun, and been told that somebody asks."""
        self._tracer = tracer
        self._sockets = [(runtime, Path(path)) for runtime, path in sockets]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="tracee-containers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends; the tracer must have ended. What is still asked gets no answer."""
        self._closing.set()
        self._thread.join()

    def _serve(self) -> None:
        with ThreadPoolExecutor(_WORKERS, "tracee-containers") as pool, resolver(self._sockets) as asked:
            if self._sockets or known():
                asked.open()
            while (questions := self._tracer.container_questions(_LOOK)) is not None:
                for question in questions:
                    pool.submit(self._answer, asked, *question).add_done_callback(_tell_failure)

    def _answer(self, asked: Resolver, container: str, runtime: str | None, cgroup: str) -> None:
        answer = None
        try:
            metadata = self._ask(asked, container, runtime, cgroup)
            if metadata:
                answer = asdict(metadata)
        finally:
            self._tracer.container_answer(container, answer)

    def _ask(self, asked: Resolver, container: str, runtime: str | None, cgroup: str) -> Metadata | None:
        for pause in _PAUSES:
            metadata = asked.resolve(container, runtime, cgroup)
            if metadata or not asked.runtimes() or self._closing.wait(pause):
                return metadata
        return asked.resolve(container, runtime, cgroup)


def _tell_failure(answered: Future[None]) -> None:
    error = None if answered.cancelled() else answered.exception()
    if error:
        logger.error("a container runtime could not be asked: %r", error, exc_info=error)
