"""The tree of processes: whatever shape it takes, it is what the processes themselves know."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Tracee, wait_until

import tracee as api

KEPT_DEAD = 4096
TRUE = os.path.realpath("/bin/true")
pytestmark = pytest.mark.usefixtures("can_trace")


class Told(NamedTuple):
    """What a process says of itself."""

    what: str
    pid: int
    parent: int


class Seen(NamedTuple):
    """What came of a shape."""

    pid: int
    """of its first process"""
    told: list[Told]
    events: list[api.Event]


@pytest.fixture
def shapes(compile_c: Callable[[str], Path]) -> Path:
    return compile_c("shapes")


def ready(command: list[str | Path]) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


PID_IS_KEPT = 77
"""Exit code of a shape, see there."""


class PidIsKeptError(Exception):
    """Another program took the pid that was to come again, and lives on."""


def take_shape(trace: api.Trace, command: list[str | Path], calls: int) -> Seen:
    """Lets a shape come to be, and waits for its calls of getuid and its end."""
    child = ready(command)
    out, _ = child.communicate(b"\n")
    if child.returncode == PID_IS_KEPT:
        raise PidIsKeptError
    events: list[api.Event] = []
    for batch in trace.batches():
        events += batch
        if len(events) >= calls:
            break
    wait_until(lambda: (process := trace.process(child.pid)) is not None and process.ended, "the end to be seen")
    lines = [line.split() for line in out.decode().splitlines()]
    told = [Told(what, int(pid), int(parent)) for what, pid, parent in lines] if calls else []
    assert len(told) == len(events) == calls
    return Seen(child.pid, told, events)


def tracing() -> api.Trace:
    return api.trace(["getuid"], scope=["comm=shapes"])


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return int(stat.rpartition(")")[2].split()[1])


def up_to(pid: int) -> list[int]:
    """A living process and its ancestors, the oldest first."""
    chain = [pid]
    while (above := parent_of(chain[0])) != 0:
        chain.insert(0, above)
    return chain


def check_parents(seen: Seen, parents: dict[int, int]) -> None:
    """Each event's ancestors are its parent, and those above that: as `parents` says, else as /proc does."""
    for told, event in zip(seen.told, seen.events, strict=True):
        assert (event.host_pid, event.host_ppid) == (told.pid, told.parent)
        expected, above = [told.parent], told.parent
        while above in parents:
            above = parents[above]
            expected.insert(0, above)
        assert event.ancestors == up_to(expected[0])[:-1] + expected, told.what


def test_a_storm_of_forks(shapes: Path) -> None:
    with tracing() as trace:
        child = ready([shapes, "storm", "20000"])
        out, _ = child.communicate(b"\n", timeout=120)
        wait_until(lambda: (process := trace.process(child.pid)) is not None and process.ended, "the end")
        told = [(int(pid), int(status)) for pid, status in map(str.split, out.decode().splitlines())]
        assert len(told) == 20_000
        maker = trace.process(child.pid)
        assert maker is not None
        # a pid may have come again, and other processes of the machine have ended since, too
        last = dict(told[-KEPT_DEAD // 2 :])
        for pid, status in last.items():
            process = trace.process(pid)
            assert process is not None
            if process.ppid != child.pid and process.forked_by and process.forked_by[0] != child.pid:
                continue  # a process of others that has taken the pid since
            assert (process.exit_code, process.exit_signal, process.ended) == (status, None, True)
            assert (process.name, process.executable, process.execs) == ("shapes", str(shapes), 0)
            assert process.forked_by == (child.pid, maker.start_time)
        assert trace.lost == 0
        counters = trace._tracer.counters()
    assert counters["controlLost"] == 0
    assert counters["processes"] < KEPT_DEAD + 3000


def test_a_daemon(shapes: Path) -> None:
    with tracing() as trace:
        seen = take_shape(trace, [shapes, "daemon"], 3)
        pids = {told.what: told.pid for told in seen.told}
        daemon = trace.process(pids["daemon"])
        assert daemon is not None
        # who made it, and who made that, is known though they are gone
        assert daemon.forked_by is not None
        maker = trace.process(*daemon.forked_by)
        assert maker is not None and maker.ended and maker.forked_by is not None
        assert maker.forked_by[0] == seen.pid
    check_parents(seen, {pids["daemon"]: {t.what: t.parent for t in seen.told}["daemon"], seen.pid: os.getpid()})


def test_orphans_of_a_subreaper(shapes: Path) -> None:
    with tracing() as trace:
        seen = take_shape(trace, [shapes, "subreaper"], 3)
    below, adopted, moved = seen.told
    assert below.pid == adopted.pid == moved.pid
    assert len({below.parent, adopted.parent, moved.parent}) == 3
    reaper = adopted.parent
    check_parents(seen, {below.parent: reaper, reaper: seen.pid, seen.pid: os.getpid()})


def test_a_child_made_for_the_parent(shapes: Path) -> None:
    with tracing() as trace:
        seen = take_shape(trace, [shapes, "parent"], 2)
        told = {told.what: told for told in seen.told}
        sibling = trace.process(told["sibling"].pid)
        assert sibling is not None and sibling.forked_by is not None
        assert (told["sibling"].parent, sibling.forked_by[0]) == (seen.pid, told["maker"].pid)
    by_pid = {event.host_pid: event for event in seen.events}
    ordered = [by_pid[told.pid] for told in seen.told]
    check_parents(seen._replace(events=ordered), {seen.pid: os.getpid()})


def test_a_thread_that_execs(shapes: Path) -> None:
    with tracing() as trace:
        child = ready([shapes, "threads", "/bin/true"])
        wait_until(lambda: (process := trace.process(child.pid)) is not None and process.execs == 1, "the exec")
        before = trace.process(child.pid)
        assert before is not None
        child.communicate(b"\n")
        wait_until(lambda: (process := trace.process(child.pid)) is not None and process.ended, "the end")
        after = trace.process(child.pid)
        assert after is not None
        assert (after.start_time, after.forked_by) == (before.start_time, before.forked_by)
        assert (before.execs, after.execs) == (1, 2)
        assert (before.executable, before.argv) == (str(shapes), [str(shapes), "threads", "/bin/true"])
        assert (after.executable, after.argv, after.argv_cut) == (TRUE, ["/bin/true", "seen"], False)
        assert (after.exit_code, after.cwd, after.uid) == (0, os.getcwd(), 0)
        event = next(iter(trace))
    assert (event.host_pid, event.executable) == (child.pid, str(shapes))
    assert event.host_tid != event.host_pid


def test_a_process_outlives_its_first_thread(shapes: Path) -> None:
    with tracing() as trace:
        seen = take_shape(trace, [shapes, "leader"], 2)
        process = trace.process(seen.pid)
        assert process is not None
        assert (process.exit_code, process.ended) == (3, True)
        grandchild = trace.process(seen.told[1].pid)
        assert grandchild is not None and grandchild.end_time is not None and process.end_time is not None
        assert grandchild.end_time < process.end_time
    assert [event.executable for event in seen.events] == [str(shapes)] * 2
    check_parents(seen, {seen.pid: os.getpid()})


def test_more_ancestors_than_are_told(tracee: Tracee, shapes: Path) -> None:
    with tracee.run("--events", "getuid", "--scope", "comm=shapes", "--output", "json") as run:
        child = ready([shapes, "cut", "70"])
        out, _ = child.communicate(b"\n")
        (event,) = run.stop()
    tree = event["processTree"]
    assert tree["truncated"] is True
    assert len(tree["ancestors"]) == 64
    assert tree["ancestors"][-1] == event["hostParentProcessId"] == int(out.split()[2])
    assert child.pid not in tree["ancestors"]


def test_a_pid_namespace(shapes: Path) -> None:
    with tracing() as trace:
        command: list[str | Path] = ["unshare", "--pid", "--fork", shapes, "reuse", "5"]
        child = ready(command)
        out, _ = child.communicate(b"\n")
        wait_until(lambda: (process := trace.process(child.pid)) is not None and process.ended, "the end")
        events: list[api.Event] = []
        for event in trace:
            events.append(event)
            if len(events) == 5:
                break
        lines = [line.split() for line in out.decode().splitlines()]
        assert {line[1] for line in lines} == {str(event.pid) for event in events} == {"2"}
        assert len({event.host_pid for event in events}) == 5
        for status, event in enumerate(events):
            process = trace.process(event.host_pid, event.thread_start_time)
            assert process is not None
            assert (process.ns_pid, process.exit_code, event.ppid) == (2, status, 1)
            assert process.pid_namespace == event.pid_namespace != os.stat("/proc/self/ns/pid").st_ino
            # on to the first process of the host
            assert event.ancestors == [*up_to(os.getpid()), child.pid, event.host_ppid]


def test_a_pid_that_comes_again(shapes: Path) -> None:
    with ExitStack() as stack:
        for left in reversed(range(5)):
            trace = stack.enter_context(tracing())
            try:
                seen = take_shape(trace, [shapes, "reuse", "20"], 20)
                break
            except PidIsKeptError:
                trace.close()
                assert left, "others keep every pid"
        (pid,) = {told.pid for told in seen.told}
        starts = [event.thread_start_time for event in seen.events]
        assert len(set(starts)) == 20
        last = trace.process(pid, starts[-1])
        assert last is not None and last.exit_code == 19
        # each, or where it began within the same 10 ms as another of that pid, that one
        known = [trace.process(pid, start) for start in starts]
        assert all(process is not None and process.ended for process in known)
    check_parents(seen, {seen.pid: os.getpid()})


@contextmanager
def churn() -> Iterator[None]:
    """Processes that begin, exec and end without a pause."""
    script = "while :; do (:); /bin/true; (/bin/true &); done"
    loops = [subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.DEVNULL) for _ in range(3)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def differences(trace: api.Trace) -> set[str]:
    """Where the tree says anything else than /proc of a process that is there."""
    found: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            exe = os.readlink(folder / "exe")
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            exe = None
        try:
            parent = parent_of(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        process = trace.process(int(folder.name))
        if process is None:
            found.add(f"{folder.name} is not known")
        elif process.ended or process.ppid != parent:
            found.add(f"{process!r} ended: {process.ended}, parent {process.ppid}, not {parent}")
        elif exe and process.executable != exe.removesuffix(" (deleted)"):
            found.add(f"{process!r} runs {process.executable}, not {exe}")
    return found


def test_what_was_there_before_and_what_began_meanwhile(shapes: Path) -> None:
    """Processes begin, exec and end while tracing does; afterwards the tree is what /proc shows."""
    with ExitStack() as stack:
        with churn():
            waiting = ready([shapes, "wait"])
            trace = stack.enter_context(tracing())
        left = differences(trace)
        end = time.monotonic() + 30
        # what begins and ends while we look is told a moment later
        while left := left & differences(trace):
            assert time.monotonic() < end, left
        process = trace.process(waiting.pid)
        assert process is not None
        assert process.argv == [str(shapes), "wait"]
        assert (process.cwd, process.name, process.uid) == (os.getcwd(), "shapes", 0)
        assert (process.forked_by, process.execs, process.ended) == (None, 0, False)
        assert process.ancestors == up_to(os.getpid())
        kernel = trace.process(2)
        assert kernel is not None
        assert (kernel.name, kernel.executable, kernel.ppid, kernel.ancestors) == ("kthreadd", None, 0, [])
        waiting.communicate(b"\n")


def test_lost_records_are_told_and_healed(tracee: Tracee, shapes: Path, compile_c: Callable[[str], Path]) -> None:
    """The reader is stopped while more processes begin and end than the control ring holds; then one execs."""
    caller = compile_c("caller")
    arguments = ("--events", "getppid", "--scope", "comm=caller", "--output", "json", "--stats")
    with tracee.run(*arguments) as run:
        run.process.send_signal(signal.SIGSTOP)
        storm = ready([shapes, "storm", "20000"])
        storm.communicate(b"\n", timeout=120)
        child = ready([caller, "wait", "calls", "1"])
        run.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "WARN process records lost" in run.stderr, "the loss to be told")
        wait_until(lambda: "DEBUG the tree of processes has been read anew" in run.stderr, "the tree to be healed")
        child.communicate(b"\n")
        (event,) = [event for event in run.stop() if event["hostProcessId"] == child.pid]
    assert event["executable"] == str(caller)
    assert event["processTree"] == {"ancestors": up_to(os.getpid())}
    assert "WARN process records lost: " in run.stderr
    assert "events lost" not in run.stderr


def test_json(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    caller = compile_c("caller")
    with tracee.run("--events", "getppid", "--scope", "comm=caller", "--output", "json") as run:
        child = subprocess.Popen([caller, "spawn", "2", "3"])
        assert child.wait() == 0
        events = run.stop()
    chain = [*up_to(os.getpid()), child.pid]
    ours = [e for e in events if [*e["processTree"]["ancestors"], e["hostProcessId"]][: len(chain)] == chain]
    assert len(ours) == 9
    for event in events:
        ancestors = event["processTree"]["ancestors"]
        assert ancestors[0] == 1
        assert ancestors[-1] == event["hostParentProcessId"]
        assert "truncated" not in event["processTree"]
    depths = {len(event["processTree"]["ancestors"]) - len(chain) for event in ours}
    assert depths == {-1, 0, 1}


def test_without_the_process_tree(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    caller = compile_c("caller")
    arguments = ("--events", "getppid", "--scope", "comm=caller", "--output", "json", "--no-process-tree")
    with tracee.run(*arguments) as run:
        child = subprocess.Popen([caller, "calls", "1"])
        assert child.wait() == 0
        (event,) = [event for event in run.stop() if event["hostProcessId"] == child.pid]
    assert "processTree" not in event
    assert event["executable"] == str(caller)
    with api.trace(["getppid"], scope=["comm=caller"], process_tree=False) as trace:
        child = subprocess.Popen([caller, "calls", "1"])
        assert child.wait() == 0
        own = next(event for event in trace if event.host_pid == child.pid)
        process = trace.process(child.pid)
    assert own.ancestors == []
    assert process is not None
    assert (process.executable, process.argv, process.cwd) == (str(caller), [], None)
