"""What tests of kernel events share: a deed done by a program whose name nothing else has, and what was told of it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conftest import JsonEvent, Tracee

ATTACH = os.environ.get("TRACEE_ATTACH", "best")
"""Which ways are tested: see --attach."""
CAN_LOOK_UP = tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (5, 17)
"""Whether a file that was not opened is looked up."""


def values(event: JsonEvent) -> dict[str, Any]:
    """Arguments by name."""
    return {arg["name"]: arg["value"] for arg in event["args"]}


class Watched:
    """What was told of one program."""

    def __init__(self, events: list[JsonEvent], log: str) -> None:
        self.events = events
        self.log = log

    def of(self, name: str) -> list[dict[str, Any]]:
        """Arguments of the events of that name, in order; `retval` among them."""
        return [{**values(e), "retval": e["returnValue"]} for e in self.events if e["eventName"] == name]

    def log_of(self, name: str) -> str:
        """What was said of the way in which an event was taken: the way, and what it misses."""
        lines = [line for line in self.log.splitlines() if line.startswith(f"DEBUG {name} is taken by ")]
        assert lines, f"{name} is not to be had here:\n{self.log}"
        return lines[0].removeprefix(f"DEBUG {name} is taken by ")

    def taken_by(self, name: str) -> str:
        """The way in which an event was taken."""
        return self.log_of(name).partition(", which misses")[0]

    def by_calls(self, name: str) -> bool:
        """Whether it was told from system calls, so that what they do not tell may be missing."""
        return "sys_exit:" in self.taken_by(name)

    def by_lesser_way(self, name: str) -> bool:
        """Whether it was not taken where it happens."""
        better = ("fentry:", "fexit:", "lsm:", "kprobe:")
        return not any(hook.startswith(better) for hook in self.taken_by(name).split(" + "))


def watch(
    tracee: Tracee,
    events: Sequence[str],
    script: str,
    *arguments: str | Path,
    cwd: Path | None = None,
    flags: Sequence[str] = (),
) -> Watched:
    """Runs a Python script in a program of its own, and tells what was seen of it."""
    program = tracee.folder / "deed"
    if not program.exists():
        shutil.copy(os.path.realpath(sys.executable), program)
    command: list[str | Path] = [program, "-I", "-S", "-c", "import os, sys\n" + script, *arguments]
    return watch_program(tracee, events, command, cwd=cwd, flags=flags)


def watch_program(
    tracee: Tracee,
    events: Sequence[str],
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    flags: Sequence[str] = (),
) -> Watched:
    """Runs a program whose file is called `deed`, and tells what was seen of it."""
    usual = ("--scope", "comm=deed", "--output", "json", "--attach", ATTACH)
    with tracee.run("--events", ",".join(events), *usual, *flags) as run:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)
        assert done.returncode == 0, done.stderr
        events_seen = run.stop()
        return Watched(events_seen, run.stderr)
