"""The work and the tracers that watch it: how each is started, and what it writes about a call."""

from __future__ import annotations

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TOOLS", "TRACEE", "WORKS", "Bpftrace", "PerfTrace", "Strace", "Tool", "Tracee", "Work"]

TRACEE = Path(__file__).resolve().parent.parent / "dist" / "tracee"

# Pages of 4 KiB a CPU between kernel and tracer: tracee's default, which perf and bpftrace are given too.
BUFFER_PAGES = 1024


@dataclass(frozen=True)
class Work:
    """A mode of workloads.c; `events` are the system calls that its tracers are asked for."""

    name: str
    events: tuple[str, ...]
    count: int
    file: tuple[str, ...] = ()

    def arguments(self, share: float) -> list[str]:
        """Of the workload, to do so much of the work; 0 is the least of it."""
        return [self.name, str(max(1, round(self.count * share))), *self.file]

    @property
    def canary(self) -> list[str]:
        """Arguments of the workload for one call that the tracers are asked for: for `exec`, its own start is."""
        return ["nothing"] if self.name == "exec" else self.arguments(0)


WORKS = (
    Work("getppid", ("getppid",), 400_000),
    Work("open", ("openat", "close"), 100_000, ("/dev/null",)),
    Work("exec", ("execve",), 1_000),
)


class Tool(ABC):
    """A tracer as its users start it, with its output in a file.

    Those with `by_name` watch every process named workload, others a pid.
    """

    name: str
    by_name = False
    share = 1.0  # of the work: a tool that is slower by orders of magnitude is given less
    environment: dict[str, str] = {}  # noqa: RUF012

    def missing(self) -> str | None:
        """Why it can't be measured here."""
        return None if shutil.which(self.name) else "not installed"

    @abstractmethod
    def command(self, work: Work, pid: int, out: Path) -> list[str]:
        """The command that watches the workload that is `pid` and writes to `out`."""

    def attached(self, tracer: int, errors: str) -> bool:
        """Whether the process `tracer`, which wrote `errors`, watches by now. Not asked of those `by_name`."""
        return True

    @abstractmethod
    def is_event(self, work: Work, pid: int) -> Callable[[bytes], bool]:
        """The test of a line of output: one whole event of the workload that is `pid`."""

    def losses_told(self, errors: str, output: Path) -> int | None:
        """What it says itself that it lost, for one that says it outside of its events."""
        return None


class Tracee(Tool):
    name = "tracee"
    by_name = True

    def missing(self) -> str | None:
        return None if TRACEE.exists() else "no dist/tracee, run make"

    def command(self, work: Work, pid: int, out: Path) -> list[str]:
        select = ["--events", ",".join(work.events), "--scope", "comm=workload"]
        return [str(TRACEE), *select, "--output", "json", "--output", f"option:out-file={out}"]

    def is_event(self, work: Work, pid: int) -> Callable[[bytes], bool]:
        return json_event(work, pid)

    def losses_told(self, errors: str, output: Path) -> int | None:
        """Each of its warnings gives the total so far."""
        return max(map(int, re.findall(r"events lost: (\d+)", errors)), default=0)


class Strace(Tool):
    name = "strace"
    share = 0.1

    def command(self, work: Work, pid: int, out: Path) -> list[str]:
        return ["strace", "-f", "-e", "trace=" + ",".join(work.events), "-p", str(pid), "-o", str(out)]

    def attached(self, tracer: int, errors: str) -> bool:
        return " attached" in errors

    def is_event(self, work: Work, pid: int) -> Callable[[bytes], bool]:
        """A call that another task interrupted has two lines; the second has the result."""
        search = re.compile(rf"\b({'|'.join(work.events)})(\(| resumed).*\) *= ".encode()).search
        return lambda line: search(line) is not None


class PerfTrace(Tool):
    """-p does not follow children, so `exec` is watched on all CPUs."""

    name = "perf"

    def command(self, work: Work, pid: int, out: Path) -> list[str]:
        target = ["-a"] if work.name == "exec" else ["-p", str(pid)]
        select = ["-e", ",".join(work.events), *target]
        return ["perf", "trace", "-m", str(BUFFER_PAGES), *select, "-o", str(out)]

    def attached(self, tracer: int, errors: str) -> bool:
        """It first waits for anything when all is set up, and no line says so."""
        return "poll" in Path(f"/proc/{tracer}/wchan").read_text()

    def is_event(self, work: Work, pid: int) -> Callable[[bytes], bool]:
        """A line with a result. Now and then it prints a call without one, which counts as lost."""
        task = "workload/.*" if work.name == "exec" else ""
        search = re.compile(rf"{task}\b({'|'.join(work.events)})\(.*\) *= ".encode()).search
        return lambda line: search(line) is not None

    def losses_told(self, errors: str, output: Path) -> int | None:
        with output.open("rb") as lines:
            return sum(int(found[1]) for line in lines if (found := re.search(rb"^LOST (\d+) events", line)))


# What tracee's JSON says of a task and a call, as far as bpftrace can: the rest are names of files and containers.
BPFTRACE_LINE = (
    r"""printf("{\"timestamp\":%llu,\"processId\":%d,\"threadId\":%d,\"parentProcessId\":%d,\"userId\":%d,"""
    r"""\"cgroupId\":%llu,\"processName\":\"%s\",\"processorId\":%d,\"eventName\":\"EVENT\",\"returnValue\":%d"""
    r"""ARGS}\n", nsecs, pid, tid, curtask->real_parent->tgid, uid, cgroup, comm, cpu, args->retVALUES);"""
)
# system call: statements at its entry, arguments in the line, their values, statements after
BPFTRACE_CALLS = {
    "getppid": ("", "", "", ""),
    "openat": (
        "@path[tid] = args->filename; @flags[tid] = args->flags;",
        r",\"pathname\":\"%s\",\"flags\":%d",
        ", str(@path[tid]), @flags[tid]",
        "delete(@path[tid]); delete(@flags[tid]);",
    ),
    "close": ("@fd[tid] = args->fd;", r",\"fd\":%d", ", @fd[tid]", "delete(@fd[tid]);"),
    "execve": (
        "@path[tid] = str(args->filename); @argument[tid] = str(args->argv[1]);",
        r",\"pathname\":\"%s\",\"argv1\":\"%s\"",
        ", @path[tid], @argument[tid]",
        "delete(@path[tid]); delete(@argument[tid]);",
    ),
}


class Bpftrace(Tool):
    name = "bpftrace"
    by_name = True
    environment = {"BPFTRACE_PERF_RB_PAGES": str(BUFFER_PAGES)}  # noqa: RUF012

    def command(self, work: Work, pid: int, out: Path) -> list[str]:
        return ["bpftrace", "-o", str(out), "-e", " ".join(map(self.probes, work.events))]

    @staticmethod
    def probes(call: str) -> str:
        entry, fields, values, after = BPFTRACE_CALLS[call]
        scope = '/comm == "workload"/'
        line = BPFTRACE_LINE.replace("EVENT", call).replace("ARGS", fields).replace("VALUES", values)
        program = f"tracepoint:syscalls:sys_exit_{call} {scope} {{ {line} {after} }}"
        return f"tracepoint:syscalls:sys_enter_{call} {scope} {{ {entry} }} {program}" if entry else program

    def is_event(self, work: Work, pid: int) -> Callable[[bytes], bool]:
        return json_event(work, pid)

    def losses_told(self, errors: str, output: Path) -> int | None:
        with output.open("rb") as lines:
            told = [line for line in lines if b"Lost" in line]
        return sum(int(n) for n in re.findall(r"Lost (\d+) events", errors + b"".join(told).decode()))


TOOLS: tuple[Tool, ...] = (Tracee(), Strace(), PerfTrace(), Bpftrace())


def json_event(work: Work, pid: int) -> Callable[[bytes], bool]:
    """Lines of JSON; those of `exec` are about children of `pid`."""
    task = f'"{"parentProcessId" if work.name == "exec" else "processId"}":{pid},'.encode()
    names = [f'"eventName":"{name}"'.encode() for name in work.events]
    return lambda line: task in line and line.endswith(b"}\n") and any(name in line for name in names)
