"""Where events go and how they look; what a user may get wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND, PATIENCE, Tracee, wait_until


def test_table(tracee: Tracee) -> None:
    with tracee.run("--events", "execve", "--scope", "comm=ls") as run:
        subprocess.run(["/bin/ls", "-la", "/tmp"], check=True, stdout=subprocess.DEVNULL)
        assert run.end() == 0
    head, line = run.stdout.splitlines()
    assert head.split() == ["TIME", "UID", "EVENT", "CONTAINER", "COMMAND", "ARGS"]
    pattern = r'\d\d:\d\d:\d\d\.\d{6}  0      execve           host             /bin/ls          \["-la", "/tmp"\]'
    assert re.fullmatch(pattern, line), line


def test_files_and_several_outputs_each_have_every_event_once(tracee: Tracee, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_text("older text, longer than what comes\n" * 100)
    outputs = ("json:stdout", f"json:{first}", f"table:{second}")
    arguments = [word for output in outputs for word in ("--output", output)]
    with tracee.run("--events", "execve", "--scope", "comm=true,ls", *arguments) as run:
        subprocess.run(["true"], check=True)
        subprocess.run(["ls", "/tmp"], check=True, stdout=subprocess.DEVNULL)
        events = run.stop()
    assert [e["processName"] for e in events] == ["true", "ls"]
    assert [json.loads(line) for line in first.read_text().splitlines()] == events
    table = second.read_text().splitlines()
    assert len(table) == 3
    assert first.stat().st_mode & 0o777 == 0o600


def test_out_file(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    with tracee.run(
        "--events", "execve", "--scope", "comm=true", "--output", "json", "--output", f"option:out-file={file}"
    ) as run:
        subprocess.run(["true"], check=True)
        assert run.end(signal.SIGTERM) == 0
    assert run.stdout == ""
    assert [json.loads(line)["eventName"] for line in file.read_text().splitlines()] == ["execve"]


def test_parse_arguments(tracee: Tracee, tmp_path: Path) -> None:
    arguments = ("--events", "openat", "--scope", "comm=cat", "--filter", f"data.pathname={tmp_path}/*")
    with tracee.run(*arguments, "--output", "json", "--output", "option:parse-arguments") as run:
        subprocess.run(["cat", tmp_path / "missing"], check=False, stderr=subprocess.DEVNULL)
        (event,) = run.stop()
    values = {a["name"]: a["value"] for a in event["args"]}
    assert values["flags"] == "O_RDONLY"
    assert values["dirfd"] == -100
    assert event["returnValue"] == "-ENOENT"


def test_a_closed_pipe_ends_it_quietly(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    caller = compile_c("caller")
    command = " ".join([*COMMAND, "--events", "getppid", "--scope", "comm=caller", "--output", "json"])
    pipe = subprocess.Popen(
        ["/bin/bash", "-c", f"{command} | head -3; echo ${{PIPESTATUS[0]}}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while pipe.poll() is None:
        subprocess.run([caller, "calls", "500"], check=True)
    out, err = pipe.communicate(timeout=PATIENCE)
    *lines, status = out.splitlines()
    assert [json.loads(line)["eventName"] for line in lines] == ["getppid"] * 3
    assert (status, err) == ("0", "")


def test_a_reader_that_stops_reading_holds_up_neither_events_nor_the_end(
    tracee: Tracee, compile_c: Callable[[str], Path]
) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "--events", "getppid", "--scope", "comm=caller", "--output", "json", "--log", "debug"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert process.stderr is not None
    while "tracing has begun" not in process.stderr.readline():
        pass
    subprocess.run([compile_c("caller"), "threads", "4", "100000"], check=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    os.close(reading)
    assert process.returncode == 1
    assert "an output takes nothing" in err


def test_a_full_disk_is_an_error(tracee: Tracee, tmp_path: Path, compile_c: Callable[[str], Path]) -> None:
    arguments = ("--events", "getppid", "--scope", "comm=caller", "--output", "json")
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--output", "option:out-file=/dev/full"], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        subprocess.run([compile_c("caller"), "calls", "100"], check=True)
    assert process.stderr is not None
    assert process.stderr.read() == "ERROR /dev/full: No space left on device (os error 28)\n"
    assert process.returncode == 1


def test_paths_that_are_not_utf8_can_be_read_back(tracee: Tracee, tmp_path: Path) -> None:
    import tracee as api

    name = os.fsencode(tmp_path) + b"/\xff\xfe\\x41\n\x1b"
    with tracee.run("--events", "openat", "--scope", "comm=cat", "--output", "json") as run:
        subprocess.run(["cat", name], check=False, stderr=subprocess.DEVNULL)
        events = run.stop()
    paths = [a["value"] for e in events for a in e["args"] if a["name"] == "pathname"]
    assert name in [api.unescape(path) for path in paths]
    assert f"{tmp_path}/\\xff\\xfe\\\\x41\n\x1b" in paths


def test_stats_are_apart_from_the_events(tracee: Tracee) -> None:
    with tracee.run("--events", "execve", "--scope", "comm=true", "--output", "json", "--stats") as run:
        subprocess.run(["true"], check=True)
        events = run.stop()
    assert len(events) == 1
    stats = next(json.loads(line)["stats"] for line in run.stderr.splitlines() if line.startswith("{"))
    assert stats["matched"] == 1
    assert stats["lost"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--events", "opnat"], 'ERROR --events: unknown event "opnat" (nearest: openat)'),
        (["--evnts", "openat"], 'ERROR unknown flag "--evnts" (nearest: --events)'),
        (["--events", "openat", "doctor"], 'ERROR command "doctor" stands after flags: it goes first'),
        (["--events", "openat,-openat"], "ERROR --events: no event is left"),
        (["--scope", "uidd=0"], 'ERROR --scope "uidd=0": unknown scope "uidd" (nearest: uid)'),
        (["--scope", "pid=abc"], 'ERROR --scope "pid=abc": pid: "abc" is no number'),
        (
            ["--scope", "pid=99999999999"],
            'ERROR --scope "pid=99999999999": pid: 99999999999 is out of range (0 to 4294967295)',
        ),
        (
            ["--events", "openat", "--filter", "data.pathnme=/x"],
            'ERROR --filter: no selected event has the field "data.pathnme" (nearest: data.pathname)',
        ),
        (
            ["--events", "openat", "--filter", "data.flags=O_WRNLY"],
            'ERROR --filter "data.flags=O_WRNLY": data.flags: unknown value "O_WRNLY" (nearest: O_WRONLY)',
        ),
        (
            ["--events", "openat", "--filter", "data.pathname~x"],
            'ERROR --filter "data.pathname~x": not FIELD, or FIELD, an operator (= != < > <= >=) and values',
        ),
        (["--output", "jsn"], 'ERROR --output: unknown format "jsn" (nearest: json)'),
        (["--output", "option:parse-argument"], "(nearest: parse-arguments)"),
        (["--output", "json:/nonexistent/f"], "ERROR --output /nonexistent/f: No such file or directory"),
        (["--output", "json", "--output", "table"], "ERROR --output: two outputs go to stdout"),
        (["--log", "loud"], 'ERROR --log: unknown level "loud"'),
        (["--perf-buffer-size", "0"], "ERROR --perf-buffer-size: 0 is out of range (1 to 1048576)"),
        (["--perf-buffer-size", "many"], 'ERROR --perf-buffer-size: "many" is no whole number'),
        (["--sampling", "101"], "ERROR --sampling: 101 is out of range (0 to 100)"),
    ],
)
def test_bad_input_is_one_line(tracee: Tracee, arguments: list[str], message: str) -> None:
    result = tracee.command(*arguments)
    assert result.returncode == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_links_are_not_followed(tracee: Tracee, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "link").symlink_to(victim)
    result = tracee.command("--output", f"json:{tmp_path / 'link'}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"ERROR --output {tmp_path / 'link'}: ")
    assert victim.read_text() == "precious"


def test_without_privileges(tracee: Tracee, tmp_path: Path) -> None:
    """And a file that was to take the events is not left behind."""
    tmp_path.chmod(0o777)
    drop = (
        "import os, sys; from tracee.cli import flags, main, run; run.plan_of(flags.parse([])[1]);"
        "os.chdir(sys.argv[1]);"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534);"
        "sys.exit(main(sys.argv[2:]))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", drop, tmp_path, "--output", "json:new"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "ERROR failed to initialize tracee: permission denied\n")
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_does_not_describe_its_types(can_trace: None) -> None:
    hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", *COMMAND, "--events", "execve"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    begins = "ERROR failed to initialize tracee: use this kernel: it does not describe its types"
    assert result.stderr.startswith(begins) and result.stderr.count("\n") == 1
    assert "CONFIG_DEBUG_INFO_BTF=y" in result.stderr


def test_a_kernel_without_ring_buffers(can_trace: None, tmp_path: Path) -> None:
    library = tmp_path / "no_rings.so"
    source = Path(__file__).parent / "no_rings.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", library, source], check=True)
    result = subprocess.run(
        [*COMMAND, "--events", "execve"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_PRELOAD": str(library)},
    )
    assert (result.returncode, result.stderr) == (
        1,
        "ERROR failed to initialize tracee: use this kernel: it has no BPF ring buffers; "
        "boot a kernel of version 5.10 or later\n",
    )


def test_list_version_and_help(tracee: Tracee) -> None:
    listing = tracee.command("--events", "list").stdout
    assert len([line for line in listing.splitlines() if "syscalls" in line]) >= 447
    assert re.search(r"^openat +syscalls +", listing, re.MULTILINE)
    assert re.fullmatch(r"tracee \d+\.\d+\.\d+\n", tracee.command("--version").stdout)
    text = tracee.command("--help").stdout
    for flag in ("--events", "--scope", "--filter", "--output", "--log", "--perf-buffer-size", "--sampling", "--stats"):
        assert flag in text


def test_an_idle_tracer_shows_an_event_at_once(tracee: Tracee) -> None:
    with tracee.run("--events", "execve", "--scope", "comm=true", "--output", "json") as run:
        subprocess.run(["true"], check=True)
        wait_until(lambda: len(run.events_so_far()) == 1, "the event to be printed while tracing goes on", 10)
        run.stop()
