"""Container ids to what runtimes tell of them. Any thread may ask; one thread of our own does the asking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tracee.containers.client import Question
from tracee.containers.metadata import Metadata
from tracee.containers.sockets import HOST, Socket

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from tracee.containers.asker import Asker

DEADLINE = 0.5
"""Seconds that a question may take."""
LISTING = 10.0
"""Seconds in which the runtimes must list their containers."""
CLOSING = 2.0
"""Seconds that connections have to be closed."""

Answer = TypeVar("Answer")


class Resolver:
    """Asks the runtimes of this host. Each call ends in its time whatever a runtime does.

    A runtime that fails is told once in the log, and asked again after a pause that grows. Answers are not kept: what
    a container is, its asker remembers, and a container that is not known now may be in a moment.
    """

    def __init__(self, sockets: Sequence[tuple[str | None, Path]], deadline: float, host: Path) -> None:
        self._sockets = tuple(sockets)
        self._deadline = deadline
        self._host = host
        self._lock = threading.Lock()
        self._serving: tuple[asyncio.AbstractEventLoop, threading.Thread, Asker] | None = None
        self._closed = False

    def resolve(self, container_id: str, runtime: str | None, cgroup_path: str) -> Metadata | None:
        """What the runtimes tell of a container.

        Args:
            container_id: the whole id.
            runtime: the one whose it is, where its cgroup says so: it is asked first, and others if it has no answer.
            cgroup_path: below the root of its hierarchy, such as ``/default/bar-2``.

        Returns:
            ``None``: no runtime knows it, now; or they do not answer in time.
        """
        question = Question(container_id, cgroup_path)
        return self._run(lambda asker: asker.resolve(question, runtime, self._deadline), self._deadline, None)

    def containers(self) -> dict[str, Metadata]:
        """All containers of all runtimes that list theirs within ``LISTING`` seconds, by id."""
        return self._run(lambda asker: asker.containers(LISTING), LISTING, {})

    def runtimes(self) -> list[Socket]:
        """The sockets that are asked, by runtime, which is ``None`` as long as it has not been found out."""

        async def sockets(asker: Asker) -> list[Socket]:
            return asker.sockets()

        return self._run(sockets, self._deadline, [])

    def open(self) -> None:
        """Begins to connect, so that the first question does not wait for it. Returns at once."""
        self._submit(lambda asker: asker.open())

    def close(self) -> None:
        """Disconnects from all. Questions under way, and later ones, get no answer. May be called twice."""
        with self._lock:
            serving, self._serving, self._closed = self._serving, None, True
        if serving is not None:
            import asyncio

            loop, thread, asker = serving
            ending = asyncio.run_coroutine_threadsafe(asker.close(), loop)
            ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
            # should a connection not end, the thread is a daemon, and holds nobody up
            thread.join(CLOSING)

    def __enter__(self) -> Resolver:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _submit(self, work: Callable[[Asker], Coroutine[Any, Any, Answer]]) -> Future[Answer] | None:
        import asyncio

        with self._lock:
            if self._closed:
                return None
            if self._serving is None:
                self._serving = self._serve()
            loop, _, asker = self._serving
            return asyncio.run_coroutine_threadsafe(work(asker), loop)

    def _run(self, work: Callable[[Asker], Coroutine[Any, Any, Answer]], within: float, otherwise: Answer) -> Answer:
        from concurrent.futures import CancelledError, TimeoutError

        asked = self._submit(work)
        if asked is None:
            return otherwise
        try:
            return asked.result(within)
        except (TimeoutError, CancelledError):
            # not cancelled: it ends by the deadlines of those it asks, who are so found to be too slow
            return otherwise

    def _serve(self) -> tuple[asyncio.AbstractEventLoop, threading.Thread, Asker]:
        import asyncio

        from tracee.containers.asker import Asker

        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_turn, args=(loop,), name="tracee-runtimes", daemon=True)
        thread.start()
        return loop, thread, Asker(self._sockets, self._host)


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


def resolver(
    sockets: Sequence[tuple[str | None, Path]] = (), deadline: float = DEADLINE, host: Path = HOST
) -> Resolver:
    """Asks the runtimes at these sockets, or, where none are given, those that are found. Connects to none yet.

    Args:
        sockets: runtime's name, or ``None`` to find it out by asking, and path.
        deadline: seconds that a question may take in all.
        host: the root below which the host's sockets are looked for besides our own.

    Raises:
        ValueError: no runtime has such a name; it is told with those that there are.
    """
    from tracee.containers.client import runtime_names

    for name, _ in sockets:
        if name is not None and name not in runtime_names():
            raise ValueError(f'no container runtime is called "{name}": {", ".join(runtime_names())}')
    return Resolver(sockets, deadline, host)
