"""A shell in which the tracee that was built is run. Tests say ``pytest_plugins = ["lines"]`` for its fixtures."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `tracee` is the one that was built."""
    if os.geteuid() != 0:
        pytest.skip("tracing needs root")
    folder = tmp_path_factory.mktemp("bin")
    (folder / "tracee").symlink_to(ROOT / "dist" / "tracee")
    return f"{folder}:{os.environ['PATH']}"


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _threads(pid: int) -> set[str]:
    """Names of a process's threads, without those that end meanwhile."""
    names = set()
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError):
                names.add(Path(f"/proc/{pid}/task/{task}/comm").read_text().rstrip("\n"))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return names


class Line:
    """A command line that runs in a shell, as a user would type it."""

    def __init__(self, text: str, path: str, folder: Path) -> None:
        self._out = folder / "out"
        with open(self._out, "wb") as out:
            self.shell = subprocess.Popen(
                ["/bin/bash", "-c", f"{text}; exit"],
                stdout=out,
                stderr=subprocess.PIPE,
                env={**os.environ, "PATH": path},
                start_new_session=True,
                text=True,
            )
        wait_until(self._reads, f"tracee to begin in: {text}")

    def tracers(self) -> list[int]:
        """Processes of this session that read events."""
        return [pid for pid in _processes() if self._is_ours(pid) and "tracee-reader" in _threads(pid)]

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getsid(pid) == self.shell.pid
        except ProcessLookupError:  # it ended meanwhile
            return False

    def _reads(self) -> bool:
        """Whether it traces, or has traced: a line that ends of itself may be over by the time that we look."""
        if self.shell.poll() is None:
            return bool(self.tracers())
        assert self.shell.returncode == 0, self.shell.stderr.read() if self.shell.stderr else ""
        return True

    def end(self) -> str:
        """Ctrl-C for tracee; what the line printed."""
        for pid in self.tracers():
            os.kill(pid, signal.SIGINT)
        _, errors = self.shell.communicate(timeout=PATIENCE)
        # a machine that is busy with other things may lose some of all events, and is to be told so
        others = [told for told in errors.splitlines() if not re.fullmatch(r"WARN events lost: \d+ \(since .*\)", told)]
        assert (self.shell.returncode, others) == (0, [])
        return self._out.read_text()

    def output(self) -> str:
        return self._out.read_text()


@pytest.fixture
def line(path: str, tmp_path: Path) -> Iterator[Callable[[str], Line]]:
    started: list[Line] = []

    def start(text: str) -> Line:
        started.append(Line(text, path, tmp_path))
        return started[-1]

    yield start
    for each in started:
        if each.shell.poll() is None:
            os.killpg(each.shell.pid, signal.SIGKILL)
            each.shell.wait()
