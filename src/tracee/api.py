"""Tracing from Python: events as objects, one by one or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tracee._core import Event, Process
from tracee.container_settings import ContainerSettings, parse_sockets, require
from tracee.detecting import Detecting
from tracee.events import DEFAULT
from tracee.kernel import KernelSettings, load
from tracee.policy import plan_from

if TYPE_CHECKING:
    from tracee.containers.enrich import Enrichment

_WAIT = 3600.0


class Trace:
    """A running trace. Iterate over it, or over its :meth:`batches`; it ends when it is closed, or with its ``with``.

    Ctrl-C raises KeyboardInterrupt out of the iteration, within a tenth of a second.
    """

    def __init__(
        self,
        events: Sequence[str],
        *,
        scope: Sequence[str] = (),
        filters: Sequence[str] = (),
        policies: Sequence[str] = (),
        settings: KernelSettings | None = None,
        containers: ContainerSettings | None = None,
    ) -> None:
        """Loads, attaches and begins; see :func:`trace`."""
        containers = containers or ContainerSettings()
        plan = plan_from(events, scope, filters, policies)
        require(plan, containers)
        self._enrichment: Enrichment | None = None
        self._tracer = load(plan, settings or KernelSettings())
        self._signatures = Detecting(self._tracer)
        self._signatures.use(plan)
        self._tracer.begin([], subscribe=True, ask=containers.enrich, states=containers.states())
        if containers.enrich:
            from tracee.containers.enrich import Enrichment

            self._enrichment = Enrichment(self._tracer, containers.sockets)

    def batches(self) -> Iterator[list[Event]]:
        """Events as they come from the core: in the order of time, hundreds at once when there are many."""
        while True:
            batch = self._tracer.batch(_WAIT)
            if batch is None:
                return
            if batch:
                yield batch

    def __iter__(self) -> Iterator[Event]:
        for batch in self.batches():
            yield from batch

    @property
    def lost(self) -> int:
        """Events lost so far; each loss is also told by an event ``events_lost``."""
        return self._tracer.losses()[0]

    def process(self, pid: int, start_time: int | None = None) -> Process | None:
        """What is known of a process, alive or ended not long ago. Any thread may ask; the trace goes on meanwhile.

        Args:
            pid: as the host sees it: ``event.host_pid``, or one of ``event.ancestors``.
            start_time: ns since 1970, for the one that began then; without it, the last one that had the pid.

        Returns:
            It, as it is now, or None where it is not known.
        """
        return self._tracer.process(pid, start_time)

    def close(self) -> None:
        """Ends the trace. Events that were not fetched are gone. Closing twice does nothing."""
        self._tracer.finish()
        self._signatures.close()
        if self._enrichment:
            self._enrichment.close()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_tracer"):
            self._tracer.stop()


def trace(
    events: Sequence[str] | None = None,
    *,
    scope: Sequence[str] = (),
    filters: Sequence[str] = (),
    policies: Sequence[str] = (),
    perf_buffer_size: int = 1024,
    sampling: float = 100.0,
    exec_env: bool = False,
    process_tree: bool = True,
    containers_enrich: bool = True,
    runtime_sockets: Sequence[str] = (),
    signatures_dirs: Sequence[str] = (),
) -> Trace:
    """Begins to trace.

    Args:
        events: names, sets and wildcards, as ``--events`` takes them: ``["execve"]``, ``["fs", "-read"]``. Without any
            the default set, or what the policies name.
        scope: which tasks, as ``--scope`` takes it: ``["uid=0", "comm=nginx"]``. All must hold.
        filters: what must hold of the events, as ``--filter`` takes it: ``["data.pathname=/etc/*"]``.
        policies: files, and folders of them, as ``--policy`` takes them; ``Event.policies`` has those that matched.
        perf_buffer_size: pages of ring buffer for each CPU.
        sampling: percent of the events to keep.
        exec_env: give ``sched_process_exec`` its environment.
        process_tree: give each event the ancestors of its process; keep working directories and arguments of processes.
        containers_enrich: ask runtimes for the names, images and pods of containers.
        runtime_sockets: where they listen, as ``--runtime-sockets`` takes it; without any, the usual places.
        signatures_dirs: folders of own signatures, as ``--signatures-dir`` takes them.

    Returns:
        The trace: an iterator of events and a context manager.

    Raises:
        InputError: an event, scope, filter or policy that cannot be, with the nearest that can.
        PermissionRefusedError: root, or CAP_BPF and CAP_PERFMON, are missing.
        KernelRefusedError: the kernel cannot do it; the message says which step failed.
    """
    settings = KernelSettings(
        perf_buffer_size=perf_buffer_size, sampling=sampling, exec_env=exec_env, process_tree=process_tree
    )
    if signatures_dirs:
        from tracee.detect.known import use_folders

        use_folders(signatures_dirs)
    if events is None:
        events = () if policies and not (scope or filters) else (DEFAULT,)
    containers = ContainerSettings(containers_enrich, parse_sockets(runtime_sockets))
    return Trace(events, scope=scope, filters=filters, policies=policies, settings=settings, containers=containers)
