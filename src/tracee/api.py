"""Tracing from Python: events as objects, one by one or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracee._core import Event
from tracee.events import DEFAULT
from tracee.kernel import KernelSettings, load
from tracee.policy import plan_from

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
    ) -> None:
        """Loads, attaches and begins; see :func:`trace`."""
        plan = plan_from(events, scope, filters, policies)
        self._tracer = load(plan, settings or KernelSettings())
        self._tracer.begin([], subscribe=True)

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

    def close(self) -> None:
        """Ends the trace. Events that were not fetched are gone. Closing twice does nothing."""
        self._tracer.finish()

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

    Returns:
        The trace: an iterator of events and a context manager.

    Raises:
        InputError: an event, scope, filter or policy that cannot be, with the nearest that can.
        PermissionRefusedError: root, or CAP_BPF and CAP_PERFMON, are missing.
        KernelRefusedError: the kernel cannot do it; the message says which step failed.
    """
    settings = KernelSettings(perf_buffer_size=perf_buffer_size, sampling=sampling, exec_env=exec_env)
    if events is None:
        events = () if policies and not (scope or filters) else (DEFAULT,)
    return Trace(events, scope=scope, filters=filters, policies=policies, settings=settings)
