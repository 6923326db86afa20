"""What runs by the clock is changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Severity, Signature
from tracee.signatures.common.changes import change_of, changes, is_in_another_root, runs
from tracee.signatures.common.packages import installs_packages
from tracee.signatures.common.programs import runs_installed

if TYPE_CHECKING:
    from tracee._core import Event

PERIODS = ("d", "hourly", "daily", "weekly", "monthly", "yearly")
PLACES = (
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.deny",
    "/etc/cron.allow",
    "/etc/at.deny",
    "/etc/at.allow",
    *(f"/etc/cron.{period}{rest}" for period in PERIODS for rest in ("", "/*")),
    "/var/spool/cron",
    "/var/spool/cron/*",
    "/var/spool/anacron/*",
)
COMMANDS = ("crontab", "at", "batch")
DAEMONS = frozenset(("anacron", "atd", "cron", "crond"))
"""What runs the tasks keeps its own files there: times of the last run, results, jobs that are done."""
ASKING = {"crontab": frozenset("lV"), "at": frozenset("lcV"), "batch": frozenset("V")}
"""Options by which the commands only show something."""


class ScheduledTaskMod(Signature):
    """A table of cron or its kin is written or put in its place, or a command run that does so; not by packages."""

    metadata = Metadata(
        id="TRC-1027",
        name="Scheduled Tasks Modification",
        event_name="scheduled_task_mod",
        description="What cron or at runs was changed. So something comes back after it was ended, and runs as "
        "another user.",
        severity=Severity.MEDIUM,
        category="persistence",
        technique_id="T1053.003",
        technique="Cron",
        tags=("linux",),
        fields=(Field("path", about="of the table, or of the command"), Field("method", about="how it was changed")),
    )
    selected = (*changes(*PLACES), *runs(*COMMANDS))

    def on_event(self, event: Event) -> None:
        if installs_packages(event, self.ctx) or is_in_another_root(event):
            return
        change = change_of(event)
        if event.name == "sched_process_exec":
            is_harmless = only_asks(os.path.basename(change.path), event.args["argv"] or [])
        else:
            is_harmless = runs_installed(event, DAEMONS)
        if not is_harmless:
            self.found(event, path=change.path, method=change.method)


def only_asks(command: str, argv: Sequence[str]) -> bool:
    """Whether the command was told to show something, and nothing else."""
    asking = ASKING.get(command, frozenset[str]())
    options = {letter for argument in argv[1:] if argument.startswith("-") for letter in argument[1:]}
    return bool(options & asking) and not options & frozenset("reif")
