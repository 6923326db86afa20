"""A tracer, made from a plan; the kernel's refusals as our errors."""

from __future__ import annotations

import os
from typing import NamedTuple

from tracee import _core
from tracee.errors import KernelRefusedError, PermissionRefusedError
from tracee.policy import Plan

MOST_PAGES = 1 << 20


class KernelSettings(NamedTuple):
    """How much the kernel side may take, and what it adds."""

    perf_buffer_size: int = 1024
    """Pages of ring buffer for each CPU."""
    sampling: float = 100.0
    """Percent of the events to keep."""
    exec_env: bool = False
    statistics: bool = False
    packet_bytes: int = 0
    """Of packets that are wanted whole so many bytes; 0: all."""
    attach: str = "best"
    """Which of the better kinds of hooks may be used: one of ``_core.ATTACH``."""
    process_tree: bool = True
    """Events carry the ancestors of their process; of processes, working directories and arguments are known."""


def load(plan: Plan, settings: KernelSettings) -> _core.Tracer:
    """Loads and attaches what the plan needs; nothing is recorded before ``begin``.

    Raises:
        PermissionRefusedError: a privilege is missing.
        KernelRefusedError: anything else the kernel refuses; or none of the plan's events can be had.
    """
    try:
        tracer = _core.Tracer(
            plan.to_json(),
            ring_pages=settings.perf_buffer_size,
            sampling=settings.sampling,
            exec_env=settings.exec_env,
            statistics=settings.statistics,
            packet_bytes=settings.packet_bytes,
            attach=settings.attach,
            process_tree=settings.process_tree,
        )
    except _core.KernelError as error:
        message, missing_privilege = error.args
        if missing_privilege:
            detail = f": {message}" if os.geteuid() == 0 else ""
            raise PermissionRefusedError(f"failed to initialize tracee: permission denied{detail}") from error
        raise KernelRefusedError(f"failed to initialize tracee: {message}") from error
    if not tracer.ways:
        reasons = "; ".join(f"{name}: {why}" for name, why in tracer.unavailable.items())
        raise KernelRefusedError(f"no event that was asked for is available on this kernel: {reasons}")
    return tracer
