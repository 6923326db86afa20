"""The processes of a measurement: the workload, and a tracer that watches it. Only they are ever ended, by pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn

from tools import Tool, Work

__all__ = ["BenchError", "Place", "Tracer", "Workload", "cpu_time", "family"]

PATIENCE = 30.0  # seconds until what should have happened counts as an error
STEP = 0.01  # seconds between two looks
QUIET = 0.3  # seconds without growth, after which a file is counted
SILENT = 1.5  # seconds without growth, after which nothing more is expected in it


class BenchError(Exception):
    """A tool did not do what it is measured for."""


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Raises BenchError when it does not come to hold."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"{what}: waited {PATIENCE:.0f} s in vain")
        time.sleep(STEP)


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:  # the thread has ended
                continue
    return found


def cpu_time(pid: int) -> float:
    """User and system time of the process, with all threads that it has or had, and of its descendants, in seconds.

    Each process's CPU clock: the sum of utime and stime of /proc/PID/stat, in ns instead of ticks of 10 ms.
    """
    total = 0.0
    for member in family(pid):
        try:
            total += time.clock_gettime(~member << 3 | 2)  # see clock_getcpuclockid(3)
        except OSError:  # a child has ended
            continue
    return total


def end(process: subprocess.Popen[bytes], by: signal.Signals) -> None:
    """Ends it, harder if it does not listen."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BenchError(f"{process.args!r} did not end by {by.name}") from None


@dataclass(frozen=True)
class Done:
    """What the workload says of its work."""

    calls: int
    seconds: float
    ns_per_call: float
    cpu_ns_per_call: float


@dataclass(frozen=True)
class Place:
    """A temporary folder with the compiled workload in it."""

    folder: Path

    @property
    def binary(self) -> Path:
        return self.folder / "workload"

    def compile(self) -> None:
        source = Path(__file__).with_name("workloads.c")
        flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *flags, "-o", str(self.binary), str(source)], check=True)

    def run(self, *arguments: str) -> None:
        """The workload, from start to end."""
        command = [str(self.binary), *arguments]
        quiet = subprocess.DEVNULL
        subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=True)


class Workload:
    """One that waits for its start. Ended when left."""

    def __init__(self, place: Place, arguments: list[str]) -> None:
        pipe = subprocess.PIPE
        command = [str(place.binary), *arguments]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        self.pid = self.process.pid
        self._working = False
        marker = self._pipe(self.process.stderr).readline()
        if marker != b"ready\n":
            end(self.process, signal.SIGKILL)
            raise BenchError(f"workload: {marker!r} instead of ready")

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream

    def begin(self) -> None:
        stdin = self._pipe(self.process.stdin)
        stdin.write(b"g")
        stdin.flush()
        self._working = True

    def result(self) -> Done:
        """When the work is done; the process stays."""
        line = self._pipe(self.process.stdout).readline()
        if not line:
            raise BenchError("workload: it ended without a result")
        self._working = False
        return Done(**json.loads(line))

    def __enter__(self) -> Workload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._working:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            self._pipe(stream).close()
        self.process.wait()


class Tracer:
    """A tool that watches the workload `pid`, ready when constructed. Ended when left, then its output is whole."""

    def __init__(self, place: Place, tool: Tool, work: Work, pid: int, command: list[str] | None = None) -> None:
        self.tool = tool
        self.output = place.folder / "output"
        self._errors = place.folder / "errors"
        self.output.unlink(missing_ok=True)
        self._is_event = tool.is_event(work, pid)
        command = command or tool.command(work, pid, self.output)
        environment = {**os.environ, **tool.environment}
        with self._errors.open("wb") as errors:
            quiet = subprocess.DEVNULL
            self.process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=errors, env=environment)
        try:
            self._wait_until_ready(place, work)
        except BaseException:
            end(self.process, signal.SIGKILL)
            raise

    def _wait_until_ready(self, place: Place, work: Work) -> None:
        """A tool that tells nothing else is ready when calls of another process show up in its output."""

        def ready() -> bool:
            if self.process.poll() is not None:
                self._fail(f"it ended with status {self.process.returncode}")
            if not self.tool.by_name:
                return self.tool.attached(self.process.pid, self.errors())
            place.run(*work.canary)
            return self.size() > 0 and any(line.startswith(b"{") for line in self.lines())

        wait_for(f"{self.tool.name} {work.name}: its first event", ready)

    def _fail(self, what: str) -> NoReturn:
        said = self.errors().strip().splitlines()[-1:]
        raise BenchError(f"{self.tool.name}: {what}" + (f": {said[0]}" if said else ""))

    def errors(self) -> str:
        return self._errors.read_text(errors="replace")

    def size(self) -> int:
        return self.output.stat().st_size if self.output.exists() else 0

    def lines(self) -> list[bytes]:
        with self.output.open("rb") as lines:
            return lines.readlines(65536)

    def events(self) -> int:
        """Events of the workload in the output so far."""
        if not self.output.exists():
            return 0
        with self.output.open("rb") as lines:
            return sum(map(self._is_event, lines))

    def cpu_time(self) -> float:
        if self.process.poll() is not None:
            self._fail("it ended before its time")
        return cpu_time(self.process.pid)

    def wait_until_written(self, expected: int) -> None:
        """Until the output stops to grow with all events in it, or stops for good.

        Some tools keep their last lines until they end.
        """
        size, since, counted = self.size(), time.monotonic(), -1
        while True:
            time.sleep(STEP)
            if size != self.size():
                size, since = self.size(), time.monotonic()
                continue
            quiet = time.monotonic() - since
            if quiet > SILENT:
                return
            if quiet > QUIET and counted != size:
                counted = size
                if self.events() >= expected:
                    return

    def __enter__(self) -> Tracer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self.process, signal.SIGINT)
