"""Facts of the machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from tracee import _core
from tracee.containers.sockets import known

_NO_LIMIT = 1 << 62
"""cgroup v1 writes no limit as a number near 2^63."""


class Machine(NamedTuple):
    """What matters to tracing; ``None``: not to be learnt."""

    kernel: str
    """Release, such as ``6.1.0-18-amd64``."""
    architecture: str
    btf: bool
    """The kernel describes its own types; without that nothing can be traced."""
    lsm: str | None
    """Active security modules, comma-separated."""
    lockdown: str | None
    """What the kernel forbids to root: ``none``, ``integrity``, ``confidentiality``."""
    cgroups: str
    """``v1``, ``v2``, ``hybrid``, or ``none``."""
    cgroup_root: str | None
    """Where cgroup v2 is mounted."""
    capabilities: str
    """Ours, by name."""
    memory_limit: int | None
    """Bytes that our cgroup allows; ``None``: no limit."""
    rings: int
    ring_bytes: int
    hooks: dict[str, str | None]
    """Kinds of hooks: why they cannot be had here, or ``None``."""
    runtimes: dict[str, list[str]]
    """Container runtimes found, and their sockets; whether they answer has not been tried."""


def look(ring_pages: int) -> Machine:
    """Looks around.

    Args:
        ring_pages: pages of ring buffer that are asked for each CPU.
    """
    facts = _core.facts(ring_pages)
    system = os.uname()
    lockdown = re.search(r"\[(\w+)\]", facts["lockdown"] or "")
    limit = facts["memoryLimit"]
    return Machine(
        kernel=system.release,
        architecture=system.machine,
        btf=facts["btf"],
        lsm=facts["lsm"],
        lockdown=lockdown[1] if lockdown else None,
        cgroups=_cgroups(),
        cgroup_root=facts["cgroupRoot"],
        capabilities=_capabilities(),
        memory_limit=limit if limit is not None and limit < _NO_LIMIT else None,
        rings=facts["rings"],
        ring_bytes=facts["ringBytes"],
        hooks=facts["hooks"],
        runtimes=_runtimes(),
    )


def _runtimes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for socket in known():
        found.setdefault(socket.runtime or "unknown", []).append(str(socket.path))
    return found


def _capabilities() -> str:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    ours = int(found[1], 16) if found else 0
    every = (1 << int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii")) + 1) - 1
    missing = every & ~ours
    if missing and missing.bit_count() < ours.bit_count():
        return f"all but {_core.capabilities(missing)}"
    return _core.capabilities(ours)


def _cgroups() -> str:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    kinds = {line.split(" ")[2] for line in lines}
    found = kinds & {"cgroup", "cgroup2"}
    if len(found) == 2:
        return "hybrid"
    return {"cgroup": "v1", "cgroup2": "v2"}[found.pop()] if found else "none"
