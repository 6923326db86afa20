"""Deeds in a container's cgroup and beside it, and which of them a detection told."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from conftest import PATIENCE, JsonEvent, Tracee, wait_until
from handmade import Cgroup, container

HERE = Path(__file__).parent


class Deed(NamedTuple):
    """Something that a program of its own does."""

    name: str
    script: str
    """Python, after ``from steps import *``; ``sys.argv[1]`` is a folder to work in. With ``hold()`` at its end, it is
    still there when it is looked at."""
    found: bool = True
    inside: bool = True
    """In the container; else on the host."""
    program: str = sys.executable
    env: Mapping[str, str] | None = None


def start(deed: Deed, cgroup: Cgroup, folder: Path) -> subprocess.Popen[str]:
    """Begins to do it."""
    folder.mkdir()
    script = f"import os, sys\nsys.path.insert(0, {str(HERE)!r})\nfrom steps import *\n{deed.script}"
    enter = f"echo $$ > {cgroup.folder}/cgroup.procs && " if deed.inside else ""
    words = ["sh", "-c", f'{enter}exec "$@"', "sh", deed.program, "-s", "-S", "-c", script, str(folder)]
    # a copy of Python finds its library nowhere else
    env = {**os.environ, "PYTHONHOME": sys.base_prefix, **(deed.env or {})}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True, env=env)


def finish(deed: Deed, process: subprocess.Popen[str]) -> None:
    """Lets it end."""
    if process.returncode is not None:
        return
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, f"{deed.name}: {complaint}"


def told(
    tracee: Tracee, detection: str, deeds: Sequence[Deed], flags: Sequence[str] = ()
) -> tuple[list[str], list[JsonEvent]]:
    """Does the deeds in a container, one after the other, while a detection watches.

    The last one has to be found: all that was done before it has been taken by then, and is looked at before tracee
    ends. A finding that came of another detection's may come after one of a later deed.

    Returns:
        The names of those that were found, each once and in the order of the deeds, and the findings.
    """
    assert deeds[-1].found, "the last deed says that all have been looked at"
    arguments = ("--events", detection, "--output", "json", "--no-containers-enrich", *flags)
    with tracee.run(*arguments) as run, container() as (cgroup, _):

        def was_found(pid: int) -> bool:
            return any(pid in doers(finding) for finding in run.events_so_far())

        begun: list[tuple[Deed, subprocess.Popen[str]]] = []
        try:
            for number, deed in enumerate(deeds):
                folder = tracee.folder / f"deed-{number}"
                process = start(deed, cgroup, folder)
                begun.append((deed, process))
                if not deed.found and "hold()" in deed.script:
                    wait_until((folder / "held").exists, f"{deed.name} to be done")
                    continue
                if "hold()" in deed.script or deed is deeds[-1]:
                    wait_until(functools.partial(was_found, process.pid), f"{deed.name} to be found")
                finish(deed, process)
            for deed, process in begun:
                finish(deed, process)
        finally:
            for _, process in begun:
                process.kill()
        findings = run.stop()
    by_pid = {process.pid: deed.name for deed, process in begun}
    ours = [(by_pid[pid], finding) for finding in findings for pid in doers(finding) if pid in by_pid]
    names = {name for name, _ in ours}
    return [deed.name for deed in deeds if deed.name in names], [finding for _, finding in ours]


def doers(finding: JsonEvent) -> tuple[int, int]:
    """A deed may have children do it."""
    return finding["hostProcessId"], finding["hostParentProcessId"]


def expected(deeds: Sequence[Deed]) -> list[str]:
    """The names of those that are to be found."""
    return [deed.name for deed in deeds if deed.found]
