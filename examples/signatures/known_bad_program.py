"""A program whose SHA-256 stands in a list begins to run, whatever it is called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracee.detect import Context, Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event

LIST = "/etc/tracee/known-bad.sha256"
"""A hash a line, as sha256sum prints it; the variable KNOWN_BAD names another file."""


class KnownBadProgram(Signature):
    """Asks the store of files, which reads each version of a file once."""

    metadata = Metadata(
        id="CUSTOM-004",
        name="Known Bad Program",
        event_name="known_bad_program",
        description="A program ran whose hash is in the list of bad ones.",
        severity=Severity.CRITICAL,
        category="execution",
        technique_id="T1204.002",
        technique="User Execution: Malicious File",
        fields=(Field("path"), Field("sha256")),
    )
    selected = (Selected("sched_process_exec"),)

    def init(self, ctx: Context) -> None:
        self.ctx = ctx
        self._bad: set[str] = set()
        path = os.environ.get("KNOWN_BAD", LIST)
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            self._bad = {line.split()[0] for line in lines if line.strip()}
        except OSError as error:
            ctx.logger.warning("%s: %s: no program counts as bad", path, error.strerror)

    def on_event(self, event: Event) -> None:
        path = event.args["pathname"]
        if self._bad and (hashed := self.ctx.files.sha256(event, path)) in self._bad:
            self.found(event, path=path, sha256=hashed)
