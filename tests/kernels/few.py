"""What `--few` runs on other kernels: tests that see most kernel events between them; few, since a guest is
slow, and they end when their time is over.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["OUTCOMES", "SETTINGS", "TESTS", "line", "refusal", "tests"]


def _of(file: str, *names: str) -> list[str]:
    return [f"tests/e2e/test_{file}.py::test_{name}" for name in names]


TESTS = (
    "tests/kernels/test_modules.py",
    "tests/e2e/test_kernel_modules.py",
    # no program that this kernel does not take
    *_of("doctor", "every_event_is_accounted_for"),
    # what differs most between kernels first, since the last may find no time left
    *_of("kernel_rootkits", "nothing_is_found_where_nothing_hides"),
    *_of("kernel_exec", "program_about_to_run"),
    *_of("kernel_files", "open", "unlink", "rename", "symlink_and_node", "permissions", "files_without_a_name"),
    *_of("kernel_files", "watches", "the_working_directory", "mounts_in_a_namespace_of_their_own"),
    *_of("kernel_files", "calls_of_32_bit_programs", "an_entry_without_an_inode"),
    *_of("kernel_data", "reads_and_writes", "the_first_bytes_of_files"),
    *_of("kernel_changes", "a_change_is_told_once_for_each_open[memory]", "a_splice_into_a_used_pipe[memory]"),
    *_of("kernel_memory", "mappings", "protection_and_its_alerts", "libraries"),
    *_of("kernel_sockets", "inet[4]", "unix_and_netlink"),
    *_of("kernel_tasks", "do_exit", "do_sigaction", "setrlimit", "settime", "prctl", "cgroups", "sched_switch"),
    *_of("kernel_bpf", "security_bpf_prog"),
    *_of("kernel_rings", "unlink[told]"),
    *_of("kernel_origin", "code_outside_files[heap-heap]", "stack_elsewhere[pivot-anonymous]"),
    *_of("kernel_namespaces", "init_namespaces_are_told_once_and_first"),
    *_of("lifecycle", "threads_end_before_their_process"),
)
"""What pytest is given, in this order."""

OTHERWISE = {
    # no tracepoint before 6.9 tells of an exec
    ("6.1", "fallback"): r"kernel_exec|test_doctor",
    # paths are as they were asked for: see docs/kernels.md
    ("5.10", "fallback"): r"kernel_(exec|files|data|changes|memory|bpf|rings)|test_doctor",
}
"""Tests that do not hold, by kernel and ways; the doctor's is for the best ways only, since it takes a minute."""


def tests(series: str, attach: str) -> list[str]:
    """What pytest is given on a kernel."""
    left_out = OTHERWISE.get((series, attach))
    return [test for test in TESTS if not left_out or not re.search(left_out, test)]


PATIENCE = 900  # seconds for the installation of qemu

OUTCOMES = ("passed", "failed", "skipped")

SETTINGS: dict[str, Any] = {
    # one that lacks what came with 5.17, one that lacks what came later
    "kernels": "5.10,6.1",
    "attach": "best,fallback",
    "no_table": True,
    "add": True,
    "jobs": min(os.cpu_count() or 1, 2),
    "enough": 240,
    "seconds": 120,
    # of a guest whose last test takes all its time on a machine that does other things too
    "timeout": 900.0,
}
"""Flags of run.py. All of it takes two times `enough` on two CPUs, and a minute or two where kernels are fetched."""


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
