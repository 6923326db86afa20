"""A program runs that is on no disk."""

from __future__ import annotations

import contextlib
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.contents import MEMORY
from tracee.signatures.common.identity import identities, on_host
from tracee.signatures.common.interpreters import is_loader, program_of
from tracee.signatures.common.programs import INSTALLED

if TYPE_CHECKING:
    from tracee._core import Event

SHARED = "/dev/shm"
SHARED_AGE = 1.0
"""Seconds until it is looked up again: that costs as much as all else that an exec is looked at for."""
RUNTIMES = frozenset(("runc", "crun", "docker-runc", "youki"))
CLONES = ("memfd:runc_cloned:", "memfd:crun-", "memfd:libcrun", "memfd:youki")
"""What runtimes call the copy of themselves that they run, so that a container cannot write to them."""
RUNTIMES_MAX = 4096


class FilelessExecution(Signature):
    """An exec of a memfd or a file of /dev/shm: as a program, as a script, or as what a loader is told to run."""

    metadata = Metadata(
        id="TRC-105",
        name="Fileless Execution",
        event_name="fileless_execution",
        description="A program ran from memory. It leaves nothing on a disk that could be examined, and no scan of "
        "files meets it.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1620",
        technique="Reflective Code Loading",
        tags=("linux", "container"),
        fields=(Field("path", about="of what ran"),),
    )

    def __init__(self) -> None:
        self._runtimes: OrderedDict[int, int] = OrderedDict()
        """Processes that run a container runtime from where it is installed, by host pid; and since when."""
        self._shared: tuple[float, int | None] = (-SHARED_AGE, None)
        """When the device of /dev/shm was looked up, and which it is."""

    def get_selected_events(self) -> Sequence[Selected]:
        """All execs: what an interpreter is told to run stands among its arguments."""
        return (Selected("sched_process_exec"),)

    def on_event(self, event: Event) -> None:
        path = self._in_memory(event)
        if path is not None and not self._is_runtimes_copy(event, path):
            self.found(event, path=path)
        self._note_runtime(event)

    def _in_memory(self, event: Event) -> str | None:
        """The file in memory that runs, or None."""
        args = event.args
        path = str(args["pathname"] or "")
        if path.startswith(MEMORY) or args["dev"] == self._shared_memory():
            return path
        for asked in (args["cmdpath"], args["interp"]):
            if isinstance(asked, str) and asked.startswith(MEMORY):
                return asked
        script = program_of(path, args["argv"] or [])
        if script is None and not is_loader(path):
            return None
        return _memory_file(event, script) if script else None

    def _shared_memory(self) -> int | None:
        """The device of /dev/shm, whatever paths lead there."""
        now = time.monotonic()
        if now - self._shared[0] >= SHARED_AGE:
            device = None
            with contextlib.suppress(OSError):
                device = os.stat(SHARED).st_dev if os.path.ismount(SHARED) else None
            self._shared = (now, device)
        return self._shared[1]

    # ---- container runtimes ----

    def _is_runtimes_copy(self, event: Event, path: str) -> bool:
        """The copy runs in the process that ran the installed runtime until now, not in one of a container."""
        return path.startswith(CLONES) and event.host_pid in self._runtimes

    def _note_runtime(self, event: Event) -> None:
        args: dict[str, Any] = event.args
        path = str(args["pathname"] or "")
        folder, _, name = path.rpartition("/")
        self._runtimes.pop(event.host_pid, None)
        # the host's file, not one that a container calls so
        if name in RUNTIMES and folder in INSTALLED and (args["dev"], args["inode"]) in identities(on_host(path)):
            self._runtimes[event.host_pid] = event.timestamp
            if len(self._runtimes) > RUNTIMES_MAX:
                self._runtimes.popitem(last=False)


def _memory_file(event: Event, path: str) -> str | None:
    """A path's file, if that is in memory: as it is spelt, or as the process finds it."""
    if path.startswith(MEMORY):
        return path
    if not path.startswith("/"):
        cwd = str(event.args["cwd"] or "")
        spelt = os.path.normpath(f"{cwd}/{path}")
        return spelt if spelt.startswith(MEMORY) else None
    if path.startswith(("/proc/self/fd/", "/dev/fd/")):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{event.host_pid}/fd/{path.rpartition('/')[2]}").removeprefix("/")
            return target if target.startswith("memfd:") else f"/{target}" if f"/{target}".startswith(MEMORY) else None
        return None
    spelt = os.path.normpath(path)
    return spelt if spelt.startswith(MEMORY) else None
