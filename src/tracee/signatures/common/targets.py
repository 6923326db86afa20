"""Whose memory a call is about: the caller's own, a process that it debugs, or another's."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracee.signatures.common.programs import runs_installed

if TYPE_CHECKING:
    from tracee._core import Event

DEBUGGERS = frozenset(
    ("gdb", "gdb-multiarch", "gdbserver", "lldb", "lldb-server", "strace", "ltrace", "rr", "dlv", "uftrace")
)
_DEPTH_MAX = 64


def pid_of_path(path: str) -> int | None:
    """Of a path below /proc/PID: ``/proc/12/mem``, ``/proc/12/task/13/mem``, and where proc is mounted elsewhere."""
    parts = path.split("/")[:-1]
    if len(parts) >= 3 and parts[-2] == "task":
        parts = parts[:-2]
    return int(parts[-1]) if parts and parts[-1].isascii() and parts[-1].isdigit() else None


def is_itself(event: Event, target: int) -> bool:
    """Whether the process, or one of its threads, has this pid as it sees pids itself."""
    if target in (event.pid, event.tid):
        return True
    return os.path.exists(f"{_proc(event)}/{event.pid}/task/{target}")


def descends_from(event: Event, target: int) -> bool:
    """Whether a process with this pid, as the event's process sees pids, was started by it or by what it started."""
    pid = target
    for _ in range(_DEPTH_MAX):
        parent = _parent(_proc(event), pid)
        if parent in (None, 0):
            return False
        if parent == event.pid:
            return True
        pid = parent or 0
    return False


def debugs_its_own(event: Event, target: int) -> bool:
    """Whether an installed debugger looks into what it has started itself."""
    return runs_installed(event, DEBUGGERS) and descends_from(event, target)


def _proc(event: Event) -> str:
    """Where the process finds pids as it sees them."""
    return f"/proc/{event.host_pid}/root/proc"


def _parent(proc: str, pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"{proc}/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("PPid:"):
                return int(line.split()[1])
    return None


def opened_memory_of(event: Event) -> int | None:
    """Of which other process a security_file_open has opened ``mem``; None: it is its own, or what it debugs.

    0 where the path does not say, such as where that one file is mounted elsewhere.
    """
    target = pid_of_path(str(event.args["pathname"] or ""))
    if target is None:
        return 0
    return None if is_itself(event, target) or debugs_its_own(event, target) else target
