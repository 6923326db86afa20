"""Which tasks are traced: every key of --scope, on processes that were there before and on new ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Run, Tracee, wait_until

Compile = Callable[[str], Path]
CALLS = 7
MARK = ("--events", "getppid", "--output", "json")


class Waiting:
    """A caller that waits to be let go; its process is there before tracee starts."""

    def __init__(self, program: Path, *arguments: str, user: int | None = None) -> None:
        self.process = subprocess.Popen(
            [program, "wait", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=user
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.pid = self.process.pid

    def go(self) -> None:
        self.process.communicate("g")
        assert self.process.returncode == 0


@pytest.fixture
def caller(compile_c: Compile, tmp_path: Path) -> Iterator[Path]:
    """The program under a name of its own, where every user may run it."""
    folder = Path("/tmp") / f"tracee-{os.getpid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    program = folder / f"c{abs(hash(str(tmp_path))) % 10**9}"
    shutil.copy(compile_c("caller"), program)
    yield program
    shutil.rmtree(folder)


def calls_by_pid(events: list[JsonEvent]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for event in events:
        if event["eventName"] == "getppid":
            counts[event["hostProcessId"]] = counts.get(event["hostProcessId"], 0) + 1
    return counts


def check_only(tracee: Tracee, scope: list[str], program: Path, inside: Waiting, outside: Waiting | None) -> None:
    """Traces with a scope: all calls of ``inside`` are seen, and none of ``outside``."""
    arguments = [word for text in scope for word in ("--scope", text)]
    with tracee.run(*MARK, *arguments) as run:
        if outside:
            outside.go()
        inside.go()
        counts = calls_by_pid(run.stop())
    assert counts.get(inside.pid) == CALLS
    if outside:
        assert outside.pid not in counts


def test_pid(tracee: Tracee, caller: Path) -> None:
    first, second = Waiting(caller, "calls", str(CALLS)), Waiting(caller, "calls", str(CALLS))
    check_only(tracee, [f"pid={first.pid}"], caller, first, second)


def test_pid_list_and_not(tracee: Tracee, caller: Path) -> None:
    first, second, third = (Waiting(caller, "calls", str(CALLS)) for _ in range(3))
    scope = ["--scope", f"pid={first.pid},{second.pid}", "--scope", f"pid!={second.pid}"]
    with tracee.run(*MARK, *scope) as run:
        for process in (third, second, first):
            process.go()
        assert calls_by_pid(run.stop()) == {first.pid: CALLS}


def test_pid_range(tracee: Tracee, caller: Path) -> None:
    first = Waiting(caller, "calls", str(CALLS))
    second = Waiting(caller, "calls", str(CALLS))
    low, high = sorted((first, second), key=lambda p: p.pid)
    check_only(tracee, [f"pid>{low.pid}", f"comm={caller.name}"], caller, high, low)


def test_uid(tracee: Tracee, caller: Path) -> None:
    root, nobody = Waiting(caller, "calls", str(CALLS)), Waiting(caller, "calls", str(CALLS), user=65534)
    check_only(tracee, ["uid!=0", f"comm={caller.name}"], caller, nobody, root)
    root, nobody = Waiting(caller, "calls", str(CALLS)), Waiting(caller, "calls", str(CALLS), user=65534)
    check_only(tracee, ["uid=0", f"comm={caller.name}"], caller, root, nobody)


@pytest.mark.parametrize("pattern", ["{name}", "{start}*", "*{end}", "nobody,{name}"])
def test_comm(tracee: Tracee, caller: Path, compile_c: Compile, pattern: str) -> None:
    name = caller.name
    inside, outside = Waiting(caller, "calls", str(CALLS)), Waiting(compile_c("caller"), "calls", str(CALLS))
    text = pattern.format(name=name, start=name[:-1], end=name[1:])
    check_only(tracee, [f"comm={text}"], caller, inside, outside)


@pytest.mark.parametrize("pattern", ["{path}", "{folder}/*", "*/{name}", "*{middle}*"])
def test_executable(tracee: Tracee, caller: Path, compile_c: Compile, pattern: str) -> None:
    inside, outside = Waiting(caller, "calls", str(CALLS)), Waiting(compile_c("caller"), "calls", str(CALLS))
    text = pattern.format(path=caller, folder=caller.parent, name=caller.name, middle=str(caller)[3:-2])
    check_only(tracee, [f"executable={text}"], caller, inside, outside)


def test_executable_not(tracee: Tracee, caller: Path, compile_c: Compile) -> None:
    inside, outside = Waiting(compile_c("caller"), "calls", str(CALLS)), Waiting(caller, "calls", str(CALLS))
    check_only(tracee, [f"executable!={caller.parent}/*"], caller, inside, outside)


def test_tree_takes_in_what_was_there_and_what_comes(tracee: Tracee, caller: Path) -> None:
    """A shell with a child before the start; both, and their children, are of the tree."""
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f'"{caller}" wait spawn 2 {CALLS}; "{caller}" calls {CALLS}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout is not None
    assert shell.stdout.readline() == "ready\n"
    outside = Waiting(caller, "calls", str(CALLS))
    with tracee.run(*MARK, "--scope", f"tree={shell.pid}") as run:
        outside.go()
        shell.communicate("g")
        counts = calls_by_pid(run.stop())
    assert outside.pid not in counts
    counts.pop(shell.pid, None)  # shells call getppid at times
    assert sorted(counts.values()) == [CALLS] * 4


def test_follow_goes_on_to_children(tracee: Tracee, caller: Path, compile_c: Compile) -> None:
    """The child's program does not match by itself; it is traced for its parent's sake."""
    other = compile_c("caller")
    arguments = ("--scope", f"comm={caller.name}")
    with tracee.run(*MARK, *arguments, "--scope", "follow") as run:
        subprocess.run([caller, "exec", other, "spawn", "1", str(CALLS)], check=True)
        followed = calls_by_pid(run.stop())
    assert sorted(followed.values()) == [CALLS, CALLS]
    with tracee.run(*MARK, *arguments) as run:
        subprocess.run([caller, "exec", other, "spawn", "1", str(CALLS)], check=True)
        assert calls_by_pid(run.stop()) == {}


def test_global_is_everything(tracee: Tracee, caller: Path) -> None:
    process = Waiting(caller, "calls", str(CALLS))
    check_only(tracee, ["global"], caller, process, None)


def test_namespaces(tracee: Tracee, caller: Path) -> None:
    """In a pid namespace of its own a process has two pids, and both are told."""
    arguments = ("--scope", f"comm={caller.name}")
    own = os.stat("/proc/self/ns/pid").st_ino
    with tracee.run(*MARK, *arguments, "--scope", f"pidns!={own}") as run:
        subprocess.run([caller, "calls", "1"], check=True)
        subprocess.run(["unshare", "--pid", "--fork", "--mount", caller, "calls", str(CALLS)], check=True)
        events = [e for e in run.stop() if e["eventName"] == "getppid"]
    assert len(events) == CALLS
    assert {(e["processId"], e["threadId"], e["parentProcessId"]) for e in events} == {(1, 1, 0)}
    assert all(e["hostProcessId"] > 1 and e["pidNamespace"] != own for e in events)
    assert all(e["mountNamespace"] != os.stat("/proc/self/ns/mnt").st_ino for e in events)


def test_the_tool_never_traces_itself(tracee: Tracee) -> None:
    with tracee.run("--events", "syscalls", "--output", "json", "--output", f"option:out-file={os.devnull}") as quiet:
        pid = quiet.process.pid
        with tracee.run("--events", "write,epoll_wait", "--scope", f"pid={pid}", "--output", "json") as watcher:
            # another tracee sees it work, so it has something that it could have traced
            subprocess.run(["true"], check=True)
            wait_until(lambda: len(watcher.events_so_far()) > 0, "the first to be seen by the second")
            watcher.stop()
        quiet.stop()
    with tracee.run("--events", "syscalls", "--output", "json") as run:
        subprocess.run(["true"], check=True)
        wait_until(lambda: any(e["processName"] == "true" for e in run.events_so_far()), "true to be seen")
        events = run.stop()
    assert not [e for e in events if e["hostProcessId"] == run.process.pid]


def test_a_scope_is_decided_again_when_the_task_changes(tracee: Tracee, caller: Path, tmp_path: Path) -> None:
    """uid, comm and executable of one process change under way."""
    script = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.syscall(110)\n"
        "libc.prctl(15, b'renamed')\n"
        "libc.syscall(110); libc.syscall(110)\n"
        "os.setuid(65534)\n"
        "libc.syscall(110); libc.syscall(110); libc.syscall(110)\n"
    )

    def count(*scope: str) -> int:
        arguments = [word for text in scope for word in ("--scope", text)]
        run: Run
        with tracee.run(*MARK, *arguments) as run:
            process = subprocess.Popen(["/usr/bin/python3", "-S", "-c", script])
            process.wait()
            return calls_by_pid(run.stop()).get(process.pid, 0)

    assert count("comm=renamed") == 5
    assert count("comm=renamed", "uid=0") == 2
    assert count("uid=65534") == 3
