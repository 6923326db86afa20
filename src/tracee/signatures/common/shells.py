"""Which programs are shells, whatever they are called."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracee._core import Event
    from tracee.detect import Context

NAMES = frozenset(("ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "mksh", "rbash", "sh", "tcsh", "zsh"))
_FOLDERS = ("/bin", "/usr/bin", "/usr/local/bin")
_BOXES = frozenset(("busybox", "toybox"))
"""Programs that are many: the name that they are called by says which, or their first argument."""


def is_shell(event: Event, ctx: Context) -> bool:
    """Whether a sched_process_exec begins a shell: by its file's name, or its contents, where it is a copy."""
    path = str(event.args["pathname"] or "")
    name = os.path.basename(path)
    argv = [os.path.basename(str(argument)).removeprefix("-") for argument in (event.args["argv"] or [])[:2]]
    if name in _BOXES:
        return bool(NAMES.intersection(argv[:1])) or (argv[:1] == [name] and bool(NAMES.intersection(argv[1:])))
    return name in NAMES or _is_copy(event, path, ctx)


def _is_copy(event: Event, path: str, ctx: Context) -> bool:
    """Whether the file is as large as an installed shell, and has the same contents."""
    root = f"/proc/{event.host_pid}/root"
    with contextlib.suppress(OSError, ValueError):
        size = os.stat(f"/proc/{event.host_pid}/exe").st_size
        alike = [shell for shell in _installed(root) if os.stat(shell).st_size == size]
        if alike:
            digest = ctx.files.sha256(event, path)
            return digest is not None and any(ctx.files.sha256(event, s.removeprefix(root)) == digest for s in alike)
    return False


def _installed(root: str) -> list[str]:
    shells = (f"{root}{folder}/{name}" for folder in _FOLDERS for name in sorted(NAMES | _BOXES))
    return [shell for shell in shells if Path(shell).is_file()]
