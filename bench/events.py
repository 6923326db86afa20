"""What events cost that stand where many calls come by: for programs that nobody wants to see, and for those traced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from running import Place, Tracer, Workload
from tools import TRACEE, Tracee, Work

__all__ = ["WATCHES", "WORKLOAD", "EventCost", "Watch", "Watching", "event_cost"]

NOBODY, WORKLOAD = "nobody-at-all", "workload"


@dataclass(frozen=True)
class Watch:
    """An event, and the calls that come by it."""

    event: str
    work: str
    count: int
    file: tuple[str, ...] = ()


WATCHES = (
    Watch("commit_creds", "getppid", 400_000),
    Watch("suspicious_syscall_source", "getppid", 400_000),
    Watch("stack_pivot", "getppid", 400_000),
    Watch("security_file_open", "open", 100_000, ("/dev/null",)),
    Watch("vfs_read", "read", 200_000, ("/dev/zero",)),
    Watch("vfs_write", "write", 200_000, ("/dev/null",)),
    Watch("magic_write", "write", 200_000, ("/dev/null",)),
    Watch("file_modification", "write", 200_000, ("/dev/null",)),
    Watch("cap_capable", "chroot", 100_000),
    Watch("sched_process_exec", "exec", 500),
    Watch("sched_process_fork", "exec", 500),
)


@dataclass(frozen=True)
class EventCost:
    """One run of a workload: CPU time of each call, in the workload itself."""

    event: str
    work: str
    scope: str
    """whose events are wanted: `none` when nothing is traced, `others`, `workload`"""
    cpu_ns_per_call: float


class Watching(Tracee):
    """tracee with flags that select events, of which none may ever come: it is ready when it says so."""

    by_name = False

    def __init__(self, select: list[str]) -> None:
        self._select = select

    def command(self, work: Work, pid: int, out: Path) -> list[str]:
        output = ["--output", "json", "--output", f"option:out-file={out}"]
        return [str(TRACEE), *self._select, "--log", "debug", *output]

    def attached(self, tracer: int, errors: str) -> bool:
        return "tracing has begun" in errors


def event_cost(place: Place, watch: Watch, scope: str, share: float) -> EventCost:
    """CPU time, not time on the clock: what else the machine does is not in it."""
    work = Work(watch.work, (), watch.count, watch.file)
    with Workload(place, work.arguments(share)) as workload:
        if scope == "none":
            workload.begin()
            done = workload.result()
        else:
            comm = WORKLOAD if scope == "workload" else NOBODY
            tool = Watching(["--events", watch.event, "--scope", f"comm={comm}"])
            with Tracer(place, tool, work, workload.pid):
                workload.begin()
                done = workload.result()
    return EventCost(watch.event, watch.work, scope, done.cpu_ns_per_call)
