"""Programs that make calls otherwise than most do, where this machine runs them."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

GETPID_OF_32_BITS = "20"


def ring(compile_c: Callable[..., Path]) -> str | None:
    """Has an io_uring do it; None where there is none."""
    return _usable(compile_c("ring"))


def calls32(compile_c: Callable[..., Path]) -> str | None:
    """Makes calls as a 32-bit program does; None where the kernel takes none."""
    return _usable(compile_c("calls32"), GETPID_OF_32_BITS) if platform.machine() == "x86_64" else None


def _usable(program: Path, *words: str) -> str | None:
    done = subprocess.run([program, *words], capture_output=True, check=False)
    return str(program) if done.returncode == 0 else None
