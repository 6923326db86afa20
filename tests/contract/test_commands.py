"""The manual's commands, run as it prints them: selecting, scoping, filtering, and what people pipe the output into."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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

    def _tracers(self) -> list[int]:
        """Processes of this session that read events."""
        found = []
        for task in Path("/proc").glob("[0-9]*/task/*/comm"):
            try:
                pid = int(task.parts[2])
                if task.read_text() == "tracee-reader\n" and os.getsid(pid) == self.shell.pid:
                    found.append(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
        return found

    def _reads(self) -> bool:
        assert self.shell.poll() is None, self.shell.stderr.read() if self.shell.stderr else ""
        return bool(self._tracers())

    def end(self) -> str:
        """Ctrl-C for tracee; what the line printed."""
        for pid in self._tracers():
            os.kill(pid, signal.SIGINT)
        _, errors = self.shell.communicate(timeout=PATIENCE)
        assert (self.shell.returncode, errors) == (0, "")
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


def test_version_and_list(path: str) -> None:
    def run(text: str) -> str:
        return subprocess.run(
            ["/bin/bash", "-c", text], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
        ).stdout

    assert re.fullmatch(r"tracee \d+\.\d+\.\d+\n", run("tracee --version"))
    syscalls = run("tracee --events list | grep syscalls").splitlines()
    assert len(syscalls) >= 447
    # the name of one event has the word in it, too
    assert all(row.split()[1] == "syscalls" or row.startswith("hooked_syscalls ") for row in syscalls)
    assert run("tracee --events list | head -1").split()[0] == "EVENT"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("tracee", "sched_process_exec"),
        ("tracee --events openat", "openat"),
        ("tracee --events openat,close,read", "close"),
        ("tracee --events syscalls", "execve"),
        ("tracee --events all", "sched_process_exit"),
        ("tracee --events execve --scope uid=0", "execve"),
        ("tracee --events execve --scope 'pid>1'", "execve"),
        ("tracee --events execve --scope pid!=1", "execve"),
        ("tracee --events execve --scope comm=cat,containerd", "execve"),
        ("tracee --events execve --scope global", "execve"),
        ("tracee --events openat --scope executable=/usr/bin/cat", "openat"),
        ("tracee --events openat --scope executable=/usr/*", "openat"),
        ("tracee --events openat --filter data.pathname=/etc/*", "openat"),
        ("tracee --events openat --filter data.pathname=/tmp/*,/etc/*", "openat"),
        ("tracee --events openat --filter data.flags=O_RDONLY", "openat"),
        ("tracee --events openat --filter retval!=0", "openat"),
        ("tracee --perf-buffer-size 2048 --sampling 100 --events openat --log error", "openat"),
        ("tracee --events openat --output json", '"eventName":"openat"'),
        ("tracee --events openat --output json:stdout --output json:/dev/null", '"eventName":"openat"'),
        ("tracee --events openat --output table --output option:parse-arguments", "openat"),
    ],
)
def test_what_it_prints(line: Callable[[str], Line], text: str, seen: str) -> None:
    running = line(text)
    subprocess.run(["cat", "/etc/hostname", "/etc/no-such-file"], capture_output=True, check=False)
    wait_until(lambda: seen in running.output(), f"{seen} from: {text}")
    running.end()


def test_counting_the_calls_of_a_process(line: Callable[[str], Line]) -> None:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    running = line(
        f"tracee --events syscalls --scope pid={child.pid} --output json | jq -r .eventName | sort | uniq -c"
    )
    child.communicate(b"text")
    rows = [row.split() for row in running.end().splitlines()]
    counts = {name: count for count, name in rows}
    assert counts["write"] == "1"
    assert counts["exit_group"] == "1"


def test_arguments_of_failed_connects(line: Callable[[str], Line]) -> None:
    running = line("tracee --events connect --filter retval!=0 --output json | jq .args")
    program = "import socket\ntry: socket.socket().connect(('127.0.0.1', 1))\nexcept OSError: pass\n"
    subprocess.run(["/usr/bin/python3", "-S", "-c", program], check=True)
    text = running.end()
    assert '"sin_addr": "127.0.0.1"' in text
    assert '"sin_port": 1' in text


def test_head_ends_it(line: Callable[[str], Line]) -> None:
    running = line("tracee --events openat --output json | head -10")
    while running.shell.poll() is None:
        subprocess.run(["cat", "/etc/hostname"], capture_output=True, check=False)
    assert running.end().count("\n") == 10


def test_tree_and_follow(line: Callable[[str], Line]) -> None:
    shell = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    running = line(f"tracee --events sched_process_exec --scope tree={shell.pid} --output json | jq -r .processName")
    subprocess.run(["true"], check=True)
    shell.communicate("env nice cat /etc/hostname\n")
    assert running.end().split() == ["env", "nice", "cat"]
    running = line(
        "tracee --events sched_process_exec --scope comm=env --scope follow --output json | jq -r .processName"
    )
    subprocess.run(["env", "sh", "-c", "cat /etc/hostname; true"], check=True, stdout=subprocess.DEVNULL)
    assert running.end().split() == ["env", "sh", "cat"]


def programs() -> list[dict[str, Any]]:
    """Our programs, as bpftool shows them."""
    listed = subprocess.run(["bpftool", "prog", "show", "--json"], capture_output=True, text=True, check=True).stdout
    return [program for program in json.loads(listed) if program.get("name", "").startswith("tracee")]


def test_the_kernel_counts_run_times_while_stats_are_asked_for(line: Callable[[str], Line], tmp_path: Path) -> None:
    running = line(f"tracee --events execve --stats 2> {tmp_path / 'stats'}")
    subprocess.run(["true"], check=True)
    assert any(program.get("run_time_ns", 0) > 0 for program in programs())
    running.end()
    assert "matched" in (tmp_path / "stats").read_text()
    wait_until(lambda: not programs(), "the kernel to free our programs")
    running = line("tracee --events execve")
    subprocess.run(["true"], check=True)
    assert not any(program.get("run_time_ns", 0) > 0 for program in programs())
    running.end()


def test_bpftool_shows_ours(line: Callable[[str], Line]) -> None:
    running = line("tracee --events execve --output json")
    for kind in ("prog", "map"):
        listed = subprocess.run(["bpftool", kind, "list"], capture_output=True, text=True, check=True).stdout
        assert "tracee" in listed
    running.end()
