"""What tracee says of itself: levels, files, JSON, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import COMMAND, PATIENCE, Tracee, wait_until

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


def ended(path: Path) -> bool:
    return path.exists() and "tracing has begun" in path.read_text()


def test_a_file_instead_of_standard_error(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "tracee.log"
    command = [
        *COMMAND,
        "--events",
        "getppid",
        "--log",
        "debug",
        "--log",
        f"option:log-file={file}",
        "--output",
        "json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: ended(file), "the start")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert all(json.loads(line)["eventName"] for line in out.splitlines())
    lines = file.read_text().splitlines()
    assert all(re.match(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z ({'|'.join(LEVELS)}) ", line) for line in lines)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # what ends it stands in both places
    again = tracee.command("--events", "getppid", "--output", "json:/", "--log", f"option:log-file={file}")
    assert (again.returncode, again.stderr) == (1, "ERROR --output /: Is a directory\n")
    assert file.read_text().splitlines()[-1].endswith("Z ERROR --output /: Is a directory")
    assert file.read_text().splitlines()[: len(lines)] == lines


def test_json_is_an_object_a_line(tracee: Tracee) -> None:
    with tracee.run("--events", "getppid", "--log", "option:log-format=json") as run:
        assert run.end() == 0
    told = [json.loads(line) for line in run.stderr.splitlines()]
    assert {line["level"] for line in told} >= {"debug"}
    assert told[-1].keys() == {"timestamp", "level", "message"}
    # before the settings are read nobody knows in which form
    refused = tracee.command("--events", "opnat", "--log", "option:log-format=json")
    (line,) = refused.stderr.splitlines()
    assert json.loads(line)["message"] == '--events: unknown event "opnat" (nearest: openat)'


def test_the_file_is_opened_anew(tracee: Tracee, tmp_path: Path) -> None:
    file, moved = tmp_path / "tracee.log", tmp_path / "tracee.log.1"
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: a}\nspec: {rules: [{event: getppid}]}\n"
    )
    command = [*COMMAND, "--policy", str(policy), "--log", "debug", "--log", f"option:log-file={file}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: ended(file), "the start")
        file.rename(moved)
        before = moved.read_text()
        process.send_signal(signal.SIGUSR1)
        wait_until(file.exists, "the new file")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "policies are replaced: 1 in use" in file.read_text(), "a line in the new file")
        assert moved.read_text() == before
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_log_behind_somebodys_link(tracee: Tracee, tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "tracee.log").symlink_to("/etc/passwd")
    for path in (tmp_path / "tracee.log", tmp_path / "link" / "new.log"):
        refused = tracee.command("--events", "getppid", "--log", f"option:log-file={path}")
        assert refused.returncode == 1
        assert refused.stderr == f"ERROR --log option:log-file={path}: Too many levels of symbolic links\n"
    assert not Path("/etc/new.log").exists()


def on_terminal(arguments: Sequence[str], *, until: str, env: dict[str, str] | None = None) -> str:
    """Runs it with standard error on a terminal; all that it wrote there until it was stopped."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **(env or {})}
    if env is None:
        environment.pop("NO_COLOR", None)
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=slave, env=environment)
    os.close(slave)
    text = ""
    end = time.monotonic() + PATIENCE
    stopped = False
    while True:
        assert time.monotonic() < end, f"waited in vain for {until!r} in {text!r}"
        if until in text and not stopped:
            stopped = True
            process.send_signal(signal.SIGINT)
        if select.select([master], [], [], 0.05)[0]:
            try:
                text += os.read(master, 65536).decode()
            except OSError:  # the other side is closed
                break
    os.close(master)
    assert process.wait(PATIENCE) == 0
    return text


def test_colours_only_on_a_terminal(tracee: Tracee) -> None:
    arguments = ["--events", "getppid", "--log", "debug"]
    assert "\x1b[2mDEBUG\x1b[0m tracing has begun" in on_terminal(arguments, until="tracing has begun")
    assert "\x1b[" not in on_terminal(arguments, until="tracing has begun", env={"NO_COLOR": "1"})
    with tracee.run("--events", "getppid") as run:
        assert run.end() == 0
    assert "\x1b" not in run.stderr


def test_what_the_log_cannot_be(tracee: Tracee) -> None:
    for word, message in (
        ("inf", 'unknown level "inf" (nearest: info)'),
        ("option:log-fil=x", 'unknown option "log-fil=x" (nearest: log-file)'),
        ("option:log-file=", '"option:log-file=": log-file needs a value'),
        ("option:log-format=jsn", 'unknown log-format "jsn" (nearest: json)'),
    ):
        refused = tracee.command("--log", word)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert message in refused.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_once(tracee: Tracee) -> None:
    command = [*COMMAND, "--events", "getppid", "--log", "debug", "--log", "option:log-file=/dev/full"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("TIME")
        subprocess.run(["/usr/bin/python3", "-S", "-c", "import os; os.getppid()"], check=True)
        assert "getppid" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors == "ERROR --log option:log-file=/dev/full: No space left on device\n"
