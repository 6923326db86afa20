"""Which tests run on other kernels by themselves: beside what the doctor proves, and of these the few that CI runs."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["GUESTS", "SETTINGS", "UNPROVEN", "line", "refusal"]


def _of(file: str, *names: str) -> list[str]:
    return [f"tests/e2e/test_{file}.py::test_{name}" for name in names]


MODULES = ("tests/kernels/test_modules.py", "tests/e2e/test_kernel_modules.py")

UNPROVEN = (
    *MODULES,
    *_of("kernel_rootkits", "nothing_is_found_where_nothing_hides", "memory_is_shown_by_symbol"),
    *_of("kernel_symbols", "watched_symbols_are_told_with_their_object", "objects_that_stand_in_for_others"),
    *_of("kernel_namespaces", "init_namespaces_are_told_once_and_first"),
    *_of("containers", "those_that_were_there_before", "containers_come_and_go"),
    *_of("lifecycle", "threads_end_before_their_process"),
    "tests/e2e/test_syscalls.py",
)
"""Of events that no deed of `tracee doctor --prove` causes, and of all system calls; as pytest takes them."""

PATIENCE = 900  # seconds for the installation of qemu

GUESTS = {"5.10": ["fallback"], "6.1": ["best"]}
"""Kernels, and the ways tried on each: one that lacks what came with 5.17, whose best ways take half an hour to
load, and one that lacks what came later."""

SETTINGS: dict[str, Any] = {
    "tests": " ".join((*MODULES, *_of("kernel_rootkits", "nothing_is_found_where_nothing_hides"))),
    "add": True,
    "jobs": min(os.cpu_count() or 1, 2),
    "timeout": 1800.0,
}
"""Flags of run.py. All of it takes some twelve minutes on two CPUs, and one or two more where kernels are fetched."""


def refusal(root: Path, arch: str = "amd64") -> str | None:
    """Why no guest of an architecture can be run here, or None: then all that is needed is installed."""
    if platform.machine() != "x86_64":
        return "guests run on x86_64 alone"
    if os.geteuid() != 0:
        return "what they need is built as root"
    own = [folder for folder in ("/tmp", "/run", "/dev") if root.is_relative_to(folder)]
    if own:
        return f"guests have a {own[0]} of their own, and this checkout is in it"
    # timeout ends what the script has started, too
    wanted = "kernels" if arch == "amd64" else f"kernels-{arch}"
    command = ["timeout", f"{PATIENCE}", str(root / "scripts" / "prerequisites.sh"), wanted]
    installs = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if installs.returncode != 0:
        late = f"not done after {PATIENCE} s" if installs.returncode == 124 else ""
        return f"qemu cannot be installed: {late or installs.stderr.strip()[-500:]}"
    return None


def line(passed: int = 0, failed: int = 0, skipped: int = 0, seconds: float = 0.0) -> str:
    """The last line, as pytest would write it."""
    return f"{failed} failed, {passed} passed, {skipped} skipped in {seconds:.2f}s"
