"""Files of events over time: moved aside by size and age, opened anew for who has moved them, never half a line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Tracee, wait_until
from receivers import NAME

CALLS = 20_000
SIZE = 1 << 20
PROGRAM = f"ran{os.getpid()}"
"""No other of that name runs here."""
ARGUMENTS = ("--events", "getppid", "--scope", f"comm={NAME}", "--perf-buffer-size", "8192")


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It does nothing."""
    return Path(shutil.copy("/bin/true", tmp_path_factory.mktemp("program") / PROGRAM))


def lines(*files: Path) -> list[Any]:
    """The events of files, each of which must hold whole lines."""
    texts = [file.read_text() for file in files]
    assert all(text.endswith("\n") or not text for text in texts)
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_by_size(tracee: Tracee, tmp_path: Path, compile_c: Callable[..., Path]) -> None:
    file = tmp_path / "events.json"
    file.write_text("what was there before\n")
    options = ("--output", f"json:{file}", "--output", f"option:rotate-size={SIZE},rotate-keep=99")
    with tracee.run(*ARGUMENTS, *options) as run:
        subprocess.run([compile_c("caller", NAME), "calls", str(CALLS)], check=True)
        assert run.end() == 0
    moved = sorted(tmp_path.glob("events.json.*"), key=lambda path: -int(path.suffix[1:]))
    assert moved[0].read_text() == "what was there before\n"
    events = lines(*moved[1:], file)
    assert len(events) == CALLS
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert len(moved) > 3
    for path in (*moved[1:], file):
        assert path.stat().st_size <= SIZE
        assert path.stat().st_mode & 0o777 == 0o600


def test_so_many_are_kept(tracee: Tracee, tmp_path: Path, compile_c: Callable[..., Path]) -> None:
    file = tmp_path / "table"
    options = ("--output", f"table:{file}", "--output", f"option:rotate-size={SIZE},rotate-keep=2")
    with tracee.run(*ARGUMENTS, *options) as run:
        subprocess.run([compile_c("caller", NAME), "calls", str(2 * CALLS)], check=True)
        assert run.end() == 0
    kept = sorted(path for path in tmp_path.iterdir() if path.name.startswith("table"))
    assert [path.name for path in kept] == ["table", "table.1", "table.2"]
    assert all(path.read_text().startswith("TIME ") for path in kept)


def test_by_age(tracee: Tracee, tmp_path: Path, program: Path) -> None:
    file = tmp_path / "events.json"
    options = ("--output", f"json:{file}", "--output", "option:rotate-time=100ms")
    with tracee.run("--events", "execve", "--scope", f"comm={PROGRAM}", *options) as run:
        for count in (1, 2, 3):
            subprocess.run([program], check=True)
            wait_until(partial(has, tmp_path, count), "the event")
            assert len(lines(file)) == 1, "in a file of its own"
            old = partial(is_old, file, tmp_path / "probe")
            wait_until(old, "the file to be old")
        assert run.end() == 0


def has(folder: Path, count: int) -> bool:
    """So many events, in the file and those that were moved aside."""
    return len(lines(*folder.glob("events.json*"))) == count


def is_old(file: Path, probe: Path) -> bool:
    """By the clock that files have."""
    probe.write_text("x")
    return probe.stat().st_mtime > file.stat().st_ctime + 0.2


def test_opened_anew_for_who_moved_it(tracee: Tracee, tmp_path: Path, compile_c: Callable[..., Path]) -> None:
    """As logrotate does, under load: every event is in one of both files, and no line is torn."""
    file, moved = tmp_path / "events.json", tmp_path / "moved"
    with tracee.run(*ARGUMENTS, "--output", f"json:{file}") as run:
        # in bursts, so that the kernel side loses none
        calls = f"for i in $(seq 50); do {compile_c('caller', NAME)} calls {CALLS // 10}; done"
        caller = subprocess.Popen(["/bin/sh", "-c", calls])
        wait_until(lambda: file.stat().st_size > 0, "the first events")
        file.rename(moved)
        run.process.send_signal(signal.SIGUSR1)
        wait_until(file.exists, "the new file")
        assert caller.wait() == 0
        assert run.end() == 0
    assert len(lines(moved)) > 0
    assert len(lines(moved, file)) == 5 * CALLS


def test_a_file_that_cannot_be_opened_anew_is_kept(tracee: Tracee, tmp_path: Path, program: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = folder / "events.json"
    with tracee.run("--events", "execve", "--scope", f"comm={PROGRAM}", "--output", f"json:{file}") as run:
        moved = tmp_path / "moved"
        file.rename(moved)
        file.symlink_to("/etc/passwd")
        run.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "ERROR SIGUSR1: --output" in run.stderr, "the error")
        subprocess.run([program], check=True)
        assert run.end() == 0
    assert len(lines(moved)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["json", "option:rotate-size=1M"], "--output option:rotate-size: no output goes to a file"),
        (
            ["json:f", "option:rotate-keep=3"],
            "--output option:rotate-keep: there is neither rotate-size nor rotate-time",
        ),
        (
            ["json:f", "option:rotate-size=big"],
            "--output option:rotate-size=big: a number such as 500, 64k or 16MiB is needed",
        ),
        (["json:f", "option:rotate-time=0"], "--output option:rotate-time=0: out of range"),
        (
            ["json", "option:relative-timestamp", "option:no-timestamp"],
            "--output: option:relative-timestamp and option:no-timestamp exclude each other",
        ),
    ],
)
def test_bad_options(tracee: Tracee, options: list[str], message: str) -> None:
    result = tracee.command(*[word for option in options for word in ("--output", option)])
    assert (result.returncode, result.stderr) == (1, f"ERROR {message}\n")


def test_a_folder_for_everybody(tracee: Tracee, tmp_path: Path) -> None:
    """Somebody else's file, or a link of theirs, is not written to."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.chown(victim, 65534, 65534)
    (folder / "link").symlink_to(tmp_path)
    theirs = folder / "theirs"
    theirs.write_text("")
    os.chown(theirs, 65534, 65534)
    for target in (theirs, folder / "link" / "victim"):
        result = tracee.command("--output", f"json:{target}")
        assert result.returncode == 1
        assert result.stderr.startswith(f"ERROR --output {target}: ")
    assert victim.read_text() == "precious"


def test_times_relative_to_the_start_and_left_out(tracee: Tracee, tmp_path: Path, program: Path) -> None:
    template, files = tmp_path / "t", [tmp_path / "json", tmp_path / "table", tmp_path / "template"]
    template.write_text("{{.Timestamp}}|")
    outputs = [f"json:{files[0]}", f"table:{files[1]}", f"gotemplate={template}:{files[2]}"]
    flags = [word for output in outputs for word in ("--output", output)]
    for option in ("relative-timestamp", "no-timestamp"):
        with tracee.run(
            "--events", "execve", "--scope", f"comm={PROGRAM}", *flags, "--output", f"option:{option}"
        ) as run:
            subprocess.run([program], check=True)
            assert run.end() == 0
        (event,) = lines(files[0])
        head, row = files[1].read_text().splitlines()
        if option == "no-timestamp":
            assert "timestamp" not in event
            assert head.split()[0] == "UID" and row.split()[:2] == ["0", "execve"]
            assert files[2].read_text() == "|\n"
        else:
            assert 0 <= event["timestamp"] < 60e9
            assert float(row.split()[0]) == pytest.approx(event["timestamp"] / 1e9, abs=2e-6)
            assert files[2].read_text() == f"{event['timestamp']}|\n"


SIGNATURE = """
from tracee.detect import Signature

class Ran(Signature):
    def init(self, ctx): self.callback = ctx.callback
    def get_metadata(self):
        return {"ID": "TEST-1", "Version": "1.0.0", "Name": "Ran", "EventName": "program_ran", "Description": "It ran.",
                "Properties": {"Severity": 2}}
    def get_selected_events(self): return [{"Source": "tracee", "Name": "sched_process_exec"}]
    def on_event(self, event):
        if event.args["pathname"].endswith("/NAME"):
            self.callback({"Event": event, "Data": {"pathname": event.args["pathname"]}})
    def on_signal(self, signal): pass
    def close(self): pass
"""


def test_detections_alone(tracee: Tracee, program: Path, tmp_path: Path) -> None:
    """In every output; what they are made from is seen all the same, and counted."""
    (folder := tmp_path / "signatures").mkdir()
    (folder / "ran.py").write_text(SIGNATURE.replace("NAME", PROGRAM))
    template, out = tmp_path / "t", tmp_path / "out"
    template.write_text("{{.EventID}} {{.EventName}} {{.Metadata.severity}} {{.Metadata.name}}\n")
    arguments = ("--signatures-dir", str(folder), "--events", "program_ran,execve", "--scope", f"comm={PROGRAM}")
    outputs = ("--output", "json", "--output", f"gotemplate={template}:{out}", "--output", "option:detect-only")
    with tracee.run(*arguments, *outputs, "--stats") as run:
        subprocess.run([program], check=True)
        (event,) = run.stop()
    assert event["eventName"] == "program_ran"
    assert out.read_text() == "TEST-1 program_ran 2 Ran\n"
    stats = next(json.loads(line)["stats"] for line in run.stderr.splitlines() if line.startswith('{"stats"'))
    assert stats["eventsByName"] == {"execve": 1, "program_ran": 1}
