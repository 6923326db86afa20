"""The manual's configuration files, run as it prints them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lines import PATIENCE, wait_until

pytest_plugins = ["lines"]

HERE = Path(__file__).parent

INSIDE = r"""
set -e
ip link set lo up
mount --make-rprivate /
mount -t tmpfs none /var/log
mkdir -p /var/lib/tracee
mount -t tmpfs none /var/lib/tracee
echo 127.0.0.1 siem.example.com > {folder}/hosts
mount --bind {folder}/hosts /etc/hosts
python3 -S {here}/siem.py {folder}/received > /dev/null 2>&1 &
cd {here}
touch {folder}/ready
exec tracee --config config.yaml
"""


class Inside:
    """A tracee in mount and network namespaces of its own, where the manual's paths and host are ours to have."""

    def __init__(self, path: str, folder: Path, script: str) -> None:
        self.received = folder / "received"
        text = script.format(folder=folder, here=HERE)
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "/bin/bash", "-c", text],
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_until(lambda: (folder / "ready").exists() or self.process.poll() is not None, "the namespaces")
        self.root = Path(f"/proc/{self.process.pid}/root")

    def lines(self, path: str) -> list[dict[str, Any]]:
        """Objects in a file as it sees it, whole lines only."""
        try:
            whole, _, _ = (self.root / path.lstrip("/")).read_text().rpartition("\n")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in whole.splitlines()]

    def end(self) -> tuple[str, str]:
        """Stops it; what it printed."""
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def inside(path: str, tmp_path: Path) -> Iterator[Callable[[str], Inside]]:
    started: list[Inside] = []

    def start(script: str) -> Inside:
        started.append(Inside(path, tmp_path, script))
        return started[-1]

    yield start
    for each in started:
        # the receiver is of its session
        os.killpg(each.process.pid, signal.SIGKILL)
        each.process.communicate()


def test_the_manuals_configuration(inside: Callable[[str], Inside]) -> None:
    """Events with parsed arguments in its file, the log in its own, as JSON, and the receiver asked as it says."""
    made = inside(INSIDE)

    def seen() -> bool:
        subprocess.run(["cat", "/etc/hostname"], check=True, capture_output=True)
        return bool(made.lines("/var/log/tracee/events.json")) and made.received.exists()

    wait_until(seen, "events")
    events = made.lines("/var/log/tracee/events.json")
    opened = [event for event in events if event["eventName"] == "security_file_open"]
    flags = [arg["value"] for event in opened for arg in event["args"] if arg["name"] == "flags"]
    assert all(isinstance(value, str) and value.startswith("O_") for value in flags)
    request = json.loads(made.received.read_text().splitlines()[0])
    assert (request["path"], request["host"]) == ("/events", "siem.example.com")
    assert request["authorization"] == "Bearer token123"
    assert set(request["events"]) <= {event["eventName"] for event in made.lines("/var/log/tracee/events.json")}
    log = made.root / "var/log/tracee/tracee.log"
    assert all(json.loads(line).keys() >= {"timestamp", "level", "message"} for line in log.read_text().splitlines())
    assert "token123" not in log.read_text()
    out, errors = made.end()
    # nothing but in the files
    assert (made.process.returncode, out, errors) == (0, "", "")


def test_flags_go_before_it(inside: Callable[[str], Inside], tmp_path: Path) -> None:
    text = INSIDE.replace("--config config.yaml", "--config config.yaml --events execve --output table")
    text = text.replace("tracee --config", f"tracee --output option:out-file={tmp_path}/table --config")
    made = inside(text)

    def seen() -> bool:
        subprocess.run(["true"], check=True)
        return "execve" in (tmp_path / "table").read_text() if (tmp_path / "table").exists() else False

    wait_until(seen, "a row")
    out, errors = made.end()
    assert (out, errors) == ("", "")
    assert (tmp_path / "table").read_text().split()[:3] == ["TIME", "UID", "EVENT"]


def test_kind_config(path: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    sockets = "[/var/run/docker.sock, /var/run/containerd/containerd.sock, /var/run/crio/crio.sock]"
    file.write_text(
        "apiVersion: tracee.aquasec.com/v1beta1\nkind: Config\nmetadata:\n  name: tracee-config\n"
        f"spec:\n  containers:\n    runtime-sockets: {sockets}\n"
    )
    command = f"tracee config show --config {file}"
    shown = subprocess.run(
        ["/bin/bash", "-c", command], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    ).stdout
    assert f"  - /var/run/crio/crio.sock  # {file}:7" in shown.splitlines()
