"""Where the root of an event's process may be reached, also when it has ended."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracee._core import Event


def roots_of(event: Event) -> Iterator[str]:
    """Roots of the process and of those above it that are in the same mount namespace, the nearest first."""
    for pid in dict.fromkeys((event.host_pid, event.host_ppid, *reversed(event.ancestors))):
        with contextlib.suppress(OSError):
            if pid and os.stat(f"/proc/{pid}/ns/mnt").st_ino == event.mount_namespace:
                yield f"/proc/{pid}/root"
