"""Policies replaced while tracing goes on: by SIGHUP, and where their files have changed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tracee import _core
from tracee.errors import InputError
from tracee.log import logger
from tracee.policy import Plan

Fingerprint = tuple[tuple[str, int, int, int], ...]


class Reloader:
    """Has a tracer go by its policy files as they are now. What is wrong with them is told, and then all stays."""

    def __init__(
        self,
        tracer: _core.Tracer,
        paths: Sequence[str],
        plan: Callable[[], Plan],
        told: Callable[[Plan], None],
        *,
        watch: bool,
    ) -> None:
        """Takes SIGHUP.

        Args:
            tracer: traces already.
            paths: policy files, and folders of them.
            plan: reads them; raises InputError.
            told: called with a plan that has come to be in use.
            watch: look whether they have changed, too.
        """
        self._tracer = tracer
        self._paths = paths
        self._plan = plan
        self._told = told
        self._asked = False
        self._seen = self._last = fingerprint(paths) if watch else None
        signal.signal(signal.SIGHUP, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def look(self) -> None:
        """Replaces the policies if that is asked for, or if their files have changed and then stayed for one look."""
        if self._asked or self._have_changed():
            self._asked = False
            self._replace()

    def _have_changed(self) -> bool:
        if self._seen is None:
            return False
        now = fingerprint(self._paths)
        settled, self._last = now == self._last, now
        if not settled or now == self._seen:
            return False
        self._seen = now
        return True

    def _replace(self) -> None:
        try:
            plan = self._plan()
            self._tracer.replace(plan.to_json())
        except InputError as error:
            for line in error.lines:
                logger.error("%s", line)
        except _core.KernelError as error:
            logger.error("%s", error.args[0])
        else:
            logger.info("policies are replaced: %d in use", len(plan.policies))
            self._told(plan)
            return
        logger.error("policies are not replaced: those in use stay")


def fingerprint(paths: Sequence[str]) -> Fingerprint:
    """What is there: each file with its time (ns), its size (bytes) and its inode; what is gone is not in it."""
    found = []
    for path in map(Path, paths):
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
        except OSError:
            files = []
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            found.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
