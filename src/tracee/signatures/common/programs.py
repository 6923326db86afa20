"""Which program a process runs."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracee._core import Event

INSTALLED = frozenset(
    (
        "/",
        "/bin",
        "/sbin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/usr/libexec/kubernetes",
        "/opt/bin",
        "/opt/cni/bin",
    )
)
"""Folders that only who installs software writes to; ``/`` for images that hold one program."""


def runs_installed(event: Event, names: Collection[str]) -> bool:
    """Whether the event's process runs a program of one of these names from where programs are installed.

    The name that a process gives itself does not count, and neither does a copy elsewhere.
    """
    folder, name = os.path.split(event.executable or "")
    return name in names and folder in INSTALLED
