"""The manual's commands of its chapter on operation, and what it promises of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lines import PATIENCE, ROOT, Line, wait_until

pytest_plugins = ["lines"]


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


def test_names_of_arguments(line: Callable[[str], Line]) -> None:
    running = line("tracee --events security_file_open --output json | jq '.args[].name'")
    subprocess.run(["cat", "/etc/hostname"], capture_output=True, check=True)
    assert '"pathname"' in running.end().splitlines()


def test_head_ends_it(line: Callable[[str], Line]) -> None:
    running = line("tracee --events openat --output json | head -10")
    while running.shell.poll() is None:
        subprocess.run(["cat", "/etc/hostname"], capture_output=True, check=False)
    assert running.end().count("\n") == 10


def run(text: str, path: str) -> str:
    """What a command line prints that ends by itself."""
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        ["/bin/bash", "-c", text], env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout


def of(running: Line, kind: str) -> list[dict[str, Any]]:
    """Programs or maps (``prog``, ``map``) that a tracee holds, as bpftool shows them."""
    listed = subprocess.run(["bpftool", kind, "show", "--json"], capture_output=True, text=True, check=True).stdout
    held = {found for pid in running.tracers() for found in _held(pid, kind)}
    return [each for each in json.loads(listed) if each["id"] in held]


def _held(pid: int, kind: str) -> Iterator[int]:
    for file in os.listdir(f"/proc/{pid}/fdinfo"):
        with suppress(FileNotFoundError):  # it has just been closed
            found = re.search(rf"^{kind}_id:\s*(\d+)$", Path(f"/proc/{pid}/fdinfo/{file}").read_text(), re.MULTILINE)
            if found:
                yield int(found[1])


def test_the_kernel_counts_run_times_while_stats_are_asked_for(
    line: Callable[[str], Line], path: str, tmp_path: Path
) -> None:
    running = line(f"tracee --events execve --stats 2> {tmp_path / 'stats'}")
    subprocess.run(["true"], check=True)
    ran = [program["id"] for program in of(running, "prog") if program.get("run_time_ns", 0) > 0]
    assert ran
    assert int(run(f"bpftool prog show id {ran[0]} --json | jq .run_time_ns", path)) > 0
    running.end()
    assert "matched" in (tmp_path / "stats").read_text()


def test_nobody_pays_for_run_times_otherwise(line: Callable[[str], Line]) -> None:
    running = line("tracee --events execve")
    subprocess.run(["true"], check=True)
    assert of(running, "prog") != []
    assert not any(program.get("run_time_ns", 0) > 0 for program in of(running, "prog"))
    running.end()


def test_statistics_stand_apart_from_the_events(line: Callable[[str], Line], tmp_path: Path) -> None:
    running = line(f"tracee --events execve --output json --stats 2> {tmp_path / 'stats'}")
    subprocess.run(["true"], check=True)
    wait_until(lambda: "execve" in running.output(), "an event")
    assert {json.loads(event)["eventName"] for event in running.end().splitlines()} == {"execve"}
    (told,) = (tmp_path / "stats").read_text().splitlines()
    assert json.loads(told)["stats"]["matched"] >= 1


def test_bpftool_shows_ours(line: Callable[[str], Line], path: str) -> None:
    running = line("tracee --events execve --output json")
    for kind in ("prog", "map"):
        assert run(f"bpftool {kind} list | grep tracee", path)
        # what it holds bears its name, but for what libbpf names after the object's sections
        names = {each["name"] for each in of(running, kind) if "name" in each}
        assert any(name.startswith("tracee") for name in names)
    (ours,) = [each["id"] for each in of(running, "map") if each.get("name") == "containers_map"]
    dumped = json.loads(run("bpftool map dump name containers_map --json", path))
    # where there are more of that name, they come one after the other
    alone = json.loads(run(f"bpftool map dump id {ours} --json", path))
    assert isinstance(dumped, list)
    assert isinstance(alone, list)
    running.end()


CALL = "import os\nfor _ in range(20000): os.getppid()\n"


def test_sampling(line: Callable[[str], Line]) -> None:
    running = line("tracee --events getppid --sampling 50 --output json --scope comm=counted | wc -l")
    program = "import ctypes; ctypes.CDLL(None).prctl(15, b'counted')\n" + CALL
    subprocess.run(["/usr/bin/python3", "-S", "-c", program], check=True)
    # twenty standard deviations
    assert 8600 < int(running.end()) < 11400


def test_losses_are_told_and_only_these(line: Callable[[str], Line], tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    text = "tracee --events getppid --perf-buffer-size {} --output json --output option:out-file=/dev/null 2> " + str(
        errors
    )
    running = line(text.format(1024))
    subprocess.run(["/usr/bin/python3", "-S", "-c", CALL], check=True)
    running.end()
    assert errors.read_text() == ""
    running = line(text.format(1))
    (pid,) = running.tracers()
    os.kill(pid, signal.SIGSTOP)
    for _ in range(4):
        subprocess.run(["/usr/bin/python3", "-S", "-c", CALL], check=True)
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: re.match(r"WARN events lost: [1-9]\d*\b", errors.read_text()) is not None, "the warning")
    running.end()


def test_without_privileges(path: str) -> None:
    """Also for root in name only."""
    for drop in ("--bounding-set=-all --inh-caps=-all", "--reuid=65534 --regid=65534 --clear-groups"):
        command = f"setpriv {drop} {ROOT / '.venv/bin/python'} -I -S -c '{START}' {ROOT / 'src'} {ROOT / PACKAGES}"
        refused = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE)
        if "Permission denied" in refused.stderr or "can't open" in refused.stderr:
            pytest.skip(f"another user cannot read this checkout: {refused.stderr.strip()}")
        first = "ERROR failed to initialize tracee: permission denied"
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(first)
        assert refused.stderr.count("\n") == 1


START = "import sys; sys.path += sys.argv[1:]; del sys.argv[1:]; from tracee.cli import main; sys.exit(main())"
PACKAGES = next((ROOT / ".venv" / "lib").glob("python*")) / "site-packages"

FLAGS = """
--events --scope --filter --policy --output --capture --capture-dir --config --log --perf-buffer-size --sampling --stats
--runtime-sockets --no-containers-enrich --no-process-tree --help --version --server --capabilities
"""


def test_help_lists_every_flag(path: str) -> None:
    text = run("tracee --help", path)
    listed = set(re.findall(r"^  (?:-\w(?: [A-Z|,.\[\]=]+)?, )?(--[a-z-]+)", text, re.MULTILINE))
    assert listed >= set(FLAGS.split())
    assert run("tracee -h", path) == text


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "tracee --events openat --perf-buffer-size 2048",
        "tracee --events openat --no-containers-enrich",
        "tracee --events openat --no-process-tree --output json",
        "tracee --events openat --log debug 2> /dev/null",
        "tracee --events openat --log error --log option:log-file=log --log option:log-format=json",
        "tracee --events openat --log info 2> /dev/null",
        "tracee --events openat --log warn",
        "TRACEE_LOG=error TRACEE_OUTPUT=json tracee --events openat",
    ],
)
def test_what_it_prints(
    line: Callable[[str], Line], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running = line(text)
    subprocess.run(["cat", "/etc/hostname"], capture_output=True, check=True)
    wait_until(lambda: "openat" in running.output(), f"events from: {text}")
    running.end()


def test_runtime_sockets(line: Callable[[str], Line], tmp_path: Path) -> None:
    running = line(f"tracee --events openat --runtime-sockets /var/run/docker.sock 2> {tmp_path / 'errors'}")
    subprocess.run(["cat", "/etc/hostname"], capture_output=True, check=True)
    wait_until(lambda: "openat" in running.output(), "events")
    running.end()
