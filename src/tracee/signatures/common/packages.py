"""Package managers: what they and the scripts of their packages do to the system is what they are there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.signatures.common.programs import INSTALLED, runs_installed

if TYPE_CHECKING:
    from tracee._core import Event
    from tracee.detect import Context

INSTALLERS = frozenset(
    ("dpkg", "dpkg-divert", "rpm", "rpmdb", "dnf5", "microdnf", "zypper", "apk", "pacman", "xbps-install")
)
"""Programs that unpack packages and run their scripts; those that only fetch them (apt) are no reason."""
PYTHON_INSTALLERS = frozenset(("dnf", "dnf-3", "yum"))
"""Installers that are Python programs."""


def installs_packages(event: Event, ctx: Context) -> bool:
    """Whether the event's process is a package manager from where programs are installed, or was started by one."""
    if runs_installed(event, INSTALLERS):
        return True
    # the last of them are the nearest
    return any(_is_installer(ctx, pid) for pid in (event.host_pid, *reversed(event.ancestors)))


def _is_installer(ctx: Context, pid: int) -> bool:
    process = ctx.processes.get(pid)
    if process is None or process.executable is None:
        return False
    folder, _, name = process.executable.rpartition("/")
    if folder not in INSTALLED:
        return False
    scripts = {argument.rpartition("/")[2] for argument in process.argv[1:2]}
    return name in INSTALLERS or (name.startswith("python3") and bool(scripts & PYTHON_INSTALLERS))
