"""Cgroups called as runtimes call those of their containers, made by hand where a runtime would make them."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import wait_until


def root() -> Path:
    """The hierarchy in which tracee tells containers: that of cpuset where it is of version 1, else version 2."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    v1 = any("cpuset" in line.split(":")[1].split(",") for line in lines)
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpuset" in options.split(",") if v1 else kind == "cgroup2":
            return Path(place)
    pytest.skip("no cgroups to be seen here")


class Cgroup:
    """A cgroup of that hierarchy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        # a cpuset takes no task before it has processors and memory
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (folder / name).exists() and (folder.parent / name).exists():
                (folder / name).write_text((folder.parent / name).read_text())

    @property
    def id(self) -> int:
        return self.folder.stat().st_ino

    def run(self, *command: str) -> int:
        """Runs a command in it; its pid."""
        script = f'echo $$ > {self.folder}/cgroup.procs && exec "$@"'
        process = subprocess.Popen(["sh", "-c", script, "sh", *command], stdout=subprocess.DEVNULL)
        assert process.wait() == 0
        return process.pid

    def enter(self) -> None:
        """Moves this process into it."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self) -> None:
        """What runs in it must have ended."""

        def removed() -> bool:
            with contextlib.suppress(OSError):  # a process that has just ended still counts
                self.folder.rmdir()
            return not self.folder.exists()

        wait_until(removed, f"{self.folder} to be empty")


@contextlib.contextmanager
def container(name: str = "docker-{}.scope") -> Iterator[tuple[Cgroup, str]]:
    """A container's cgroup and its id; ``name`` has ``{}`` where the id stands."""
    id = secrets.token_hex(32)
    cgroup = Cgroup(root() / name.format(id))
    try:
        yield cgroup, id
    finally:
        if cgroup.folder.exists():
            cgroup.remove()
