"""Running tracee as a user does: the command, its standard output, its standard error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from receivers import Receiver, Traced

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-I", "-m", "tracee"]
PATIENCE = float(os.environ.get("TRACEE_PATIENCE", "60"))
"""Seconds; more where the machine is emulated."""

JsonEvent = dict[str, Any]


def refusal() -> str | None:
    """Why nothing can be traced here, or None."""
    if os.geteuid() != 0:
        return "tracing needs root"
    probe = subprocess.run(
        [sys.executable, "-c", "import tracee; tracee.trace(['getppid']).close()"], capture_output=True, text=True
    )
    return None if probe.returncode == 0 else f"the kernel does not let us trace: {probe.stderr.strip()[-300:]}"


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Waits for a condition, and fails where it does not come."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


class Run:
    """A tracee that runs; its output goes to files, so that nothing here can hold it up."""

    def __init__(self, arguments: tuple[str, ...], folder: Path) -> None:
        self.folder = folder
        self._stdout = folder / f"stdout-{time.monotonic_ns()}"
        self._stderr = self._stdout.with_suffix(".err")
        with open(self._stdout, "wb") as out, open(self._stderr, "wb") as err:
            self.process = subprocess.Popen([*COMMAND, "--log", "debug", *arguments], stdout=out, stderr=err)
        wait_until(lambda: self.process.poll() is not None or "tracing has begun" in self.stderr, "the start")
        assert self.process.poll() is None, self.stderr

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(encoding="utf-8")

    def events_so_far(self) -> list[JsonEvent]:
        whole, _, _ = self.stdout.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stops it as Ctrl-C would; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def stop(self) -> list[JsonEvent]:
        """Stops it; all that it printed, parsed."""
        assert self.end() == 0, self.stderr
        return [json.loads(line) for line in self.stdout.splitlines()]

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Tracee:
    """Starts tracee."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> Run:
        """Starts it with these arguments and waits until it traces."""
        return Run(arguments, self.folder)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end, for commands that end by themselves."""
        return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="session")
def can_trace() -> None:
    reason = refusal()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def tracee(can_trace: None, tmp_path: Path) -> Tracee:
    return Tracee(tmp_path)


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Compiles a C file beside the tests, or all those of a folder there; the program's path."""
    folder = tmp_path_factory.mktemp("programs")

    def build(name: str, program: str | None = None) -> Path:
        to = folder / (program or name)
        if not to.exists():
            source = Path(__file__).parent / name
            sources = sorted(source.glob("*.c")) if source.is_dir() else [source.with_suffix(".c")]
            subprocess.run(
                ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(to), *map(str, sources)],
                check=True,
            )
        return to

    yield build


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    from receivers import Receiver

    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def other() -> Iterator[Receiver]:
    from receivers import Receiver

    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def calls(compile_c: Callable[..., Path]) -> Callable[[int], None]:
    """Makes so many calls of getppid."""
    from receivers import NAME

    caller = compile_c("caller", NAME)

    def call(count: int) -> None:
        subprocess.run([caller, "calls", str(count)], check=True)

    return call


@pytest.fixture
def traced(tmp_path: Path) -> Traced:
    from receivers import Traced

    return Traced(tmp_path)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for localhost that signed itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return key, file
