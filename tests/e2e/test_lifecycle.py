"""fork, exec, exit: the events that the process tree is made of."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import JsonEvent, Tracee


def values(event: JsonEvent) -> dict[str, Any]:
    return {arg["name"]: arg["value"] for arg in event["args"]}


def one(events: list[JsonEvent], name: str, pid: int | None = None) -> JsonEvent:
    found = [e for e in events if e["eventName"] == name and pid in (None, e["hostProcessId"])]
    assert len(found) == 1, [(e["eventName"], e["hostProcessId"]) for e in events]
    return found[0]


def test_exec(tracee: Tracee, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/usr/bin/env")
    with tracee.run("--events", "sched_process_exec,execve", "--scope", "comm=link", "--output", "json") as run:
        child = subprocess.Popen(
            [link, "--version", "", "äö"],
            cwd=tmp_path,
            env={"A": "1", "PATH": "/bin", "EMPTY": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        child.communicate()
        events = run.stop()
    exec_event = one(events, "sched_process_exec", child.pid)
    got = values(exec_event)
    file = os.stat("/usr/bin/env")
    assert got["cmdpath"] == str(link)
    assert got["pathname"] == os.path.realpath("/usr/bin/env")
    assert (got["dev"], got["inode"], got["ctime"]) == (file.st_dev, file.st_ino, file.st_ctime_ns)
    assert got["inode_mode"] == file.st_mode
    assert got["argv"] == [str(link), "--version", "", "äö"]
    assert got["cwd"] == str(tmp_path)
    assert os.path.realpath(got["interpreter_pathname"]).startswith("/usr/lib")
    loader = os.stat(got["interpreter_pathname"])
    assert (got["interpreter_dev"], got["interpreter_inode"]) == (loader.st_dev, loader.st_ino)
    assert got["stdin_path"].startswith("pipe:[")
    assert got["stdin_type"] == 0o010000
    assert got["invoked_from_kernel"] is False
    assert got["env"] == []
    assert exec_event["executable"] == os.path.realpath("/usr/bin/env")
    call = values(one(events, "execve", child.pid))
    assert call["pathname"] == str(link)
    assert call["argv"] == got["argv"]
    assert call["envp"] == ["A=1", "PATH=/bin", "EMPTY="]


def test_exec_environment_when_asked(tracee: Tracee) -> None:
    arguments = ("--events", "sched_process_exec", "--scope", "comm=true", "--output", "json")
    with tracee.run(*arguments, "--output", "option:exec-env") as run:
        subprocess.run(["true"], env={"A": "1", "B": ""}, check=True)
        (event,) = run.stop()
    assert values(event)["env"] == ["A=1", "B="]


LOADERS = {"LD_PRELOAD": "/nowhere.so", "LD_": "", "LD_LIBRARY_PATH": "/a:/b"}


@pytest.mark.parametrize("others", [3, 60000], ids=["few", "many"])
def test_what_rules_the_dynamic_loader_is_told_always(tracee: Tracee, others: int) -> None:
    names = [f"A{i}" for i in range(others)]
    variables = dict.fromkeys(names, "") | LOADERS | {"ALSO": "LD_PRELOAD=x", "LONG": "x" * 40000 + "LD_PRELOAD=y"}
    with tracee.run("--events", "sched_process_exec", "--scope", "comm=true", "--output", "json") as run:
        subprocess.run(["true"], env=variables, check=True, stderr=subprocess.DEVNULL)
        (event,) = run.stop()
    assert values(event)["env"] == [f"{name}={value}" for name, value in LOADERS.items()]


def test_script_and_its_interpreter(tracee: Tracee, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    with tracee.run("--events", "sched_process_exec", "--scope", "comm=script.sh", "--output", "json") as run:
        assert subprocess.run([script], check=False).returncode == 3
        got = values(one(run.stop(), "sched_process_exec"))
    assert got["cmdpath"] == str(script)
    assert got["pathname"] == os.path.realpath("/bin/sh")
    assert got["interp"] == "/bin/sh"
    assert got["argv"] == ["/bin/sh", str(script)]


def test_exec_of_a_file_that_is_gone(tracee: Tracee, tmp_path: Path) -> None:
    program = tmp_path / "gone"
    shutil.copy("/usr/bin/sleep", program)
    with tracee.run("--events", "sched_process_exec", "--output", "json") as run:
        with open(program, "rb") as file:
            program.unlink()
            child = os.posix_spawn(f"/proc/self/fd/{file.fileno()}", ["gone", "0"], {})
            os.waitpid(child, 0)
        got = values(one(run.stop(), "sched_process_exec", child))
    assert got["pathname"] == f"{program} (deleted)"
    assert got["cmdpath"].startswith("/proc/self/fd/")


def test_fork_exec_exit_of_one_child(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    caller = compile_c("caller")
    selected = "sched_process_fork,sched_process_exit,exit_group,clone,fork,vfork,clone3"
    with tracee.run("--events", selected, "--scope", "comm=caller", "--output", "json") as run:
        child = subprocess.Popen([caller, "spawn", "1", "1"])
        assert child.wait() == 0
        events = run.stop()
    fork = values(one(events, "sched_process_fork", child.pid))
    grandchild = fork["child_pid"]
    assert (fork["parent_pid"], fork["parent_tid"]) == (child.pid, child.pid)
    assert (fork["child_tid"], fork["child_ns_pid"]) == (grandchild, grandchild)
    assert fork["parent_process_pid"] == child.pid
    assert fork["leader_pid"] == grandchild
    # the call is told once, by the parent
    assert one(events, "clone", child.pid)["returnValue"] == grandchild
    assert not [e for e in events if e["eventName"] == "clone" and e["hostProcessId"] == grandchild]
    for pid, group in ((child.pid, True), (grandchild, True)):
        ended = values(one(events, "sched_process_exit", pid))
        assert (ended["exit_code"], ended["signal_code"], ended["process_group_exit"]) == (0, 0, group)
        assert values(one(events, "exit_group", pid))["status"] == 0
    starts = {e["hostProcessId"]: e["threadStartTime"] for e in events}
    assert fork["start_time"] == starts[grandchild]
    assert fork["parent_start_time"] == starts[child.pid]


def test_a_killed_task_tells_the_signal(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    with tracee.run("--events", "sched_process_exit", "--scope", "comm=caller", "--output", "json") as run:
        child = subprocess.Popen(
            [compile_c("caller"), "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        ended = values(one(run.stop(), "sched_process_exit", child.pid))
    assert (ended["exit_code"], ended["signal_code"]) == (0, signal.SIGKILL)


def test_threads_end_before_their_process(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    with tracee.run("--events", "sched_process_exit", "--scope", "comm=caller", "--output", "json") as run:
        child = subprocess.Popen([compile_c("caller"), "threads", "3", "1"])
        child.wait()
        events = [e for e in run.stop() if e["hostProcessId"] == child.pid]
    assert [values(e)["process_group_exit"] for e in events] == [False, False, False, True]
    assert len({e["hostThreadId"] for e in events}) == 4
