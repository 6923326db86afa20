"""One socket: opened at the first question, and left alone for a while after it failed."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, NamedTuple, TypeVar

from tracee.containers.client import Client, NonsenseError, NotThisRuntimeError, clients
from tracee.containers.sockets import Socket, stamp
from tracee.log import logger

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0
"""Seconds, before chance shortens them by up to a half."""
OPENING = 1.0
"""Seconds in which a runtime must answer when it is opened. Questions do not wait for it longer than they may."""
GRACE = 0.1
"""Seconds for which an answer waits for one from a client that knows more."""

FAILURES = (NotThisRuntimeError, NonsenseError, OSError, asyncio.TimeoutError, ImportError)
NOT_UNDERSTOOD = (NonsenseError, OSError, ValueError, TypeError, AttributeError, LookupError)
"""What an answer can lead to that is not of the form that was agreed."""
Answer = TypeVar("Answer")
Asking = Callable[[Client], Awaitable["Answer | None"]]


@dataclass(frozen=True)
class Ranked(Generic[Answer]):
    """An answer, and the rank of the client that gave it."""

    rank: int
    answer: Answer


class Opened(NamedTuple):
    """A client that its runtime has answered to."""

    runtime: str
    client: Client


class Source:
    """A socket and the clients that speak to what is behind it: more than one where it speaks several languages."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self._opened: tuple[Opened, ...] = ()
        self._opening: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._failures = 0
        self._hung = False
        self._paused_until = 0.0
        self._paused_at: tuple[int, ...] | None = None
        self._told = False
        self._closed = False
        self._complained = False
        self._lost: Exception = ConnectionError("it went away")
        self._again: asyncio.TimerHandle | None = None

    @property
    def runtimes(self) -> list[str]:
        """Names of the runtimes that have answered here, or the one that is expected; none: neither is known."""
        expected = [self.socket.runtime] if self.socket.runtime else []
        return list(dict.fromkeys(one.runtime for one in self._opened)) or expected

    @property
    def ready(self) -> bool:
        """Whether a question may go there now: there is a socket, and no pause, or it is a new socket since."""
        now = stamp(self.socket.path)
        if now is not None and time.monotonic() < self._paused_until and now != self._paused_at:
            self._failures, self._hung, self._paused_until = 0, False, 0.0
        return now is not None and time.monotonic() >= self._paused_until

    @property
    def rank(self) -> int:
        """Of the client here that knows most of containers."""
        opened = [one.client.rank for one in self._opened]
        return max(opened or [kind.rank for kind in clients() if self.socket.runtime in (None, *kind.runtimes)])

    async def ask(self, what: Asking[Answer], within: float, every: bool = False) -> list[Ranked[Answer]]:
        """The answers of the clients here to what is asked of each; whoever fails has none.

        Args:
            what: asks a client.
            within: seconds for a client's answer; opening may take as long once more.
            every: all are heard; else only until none that knows more can be.
        """
        for _ in range(2):
            opened = await self.open()
            answers = await hear([(one.client.rank, self._ask(opened, one, what, within)) for one in opened], every)
            # a runtime that was started anew has closed what we had open, and answers when it is opened again
            if answers or self._opened is opened:
                return answers
        self._complain(self._lost)
        return []

    async def open(self) -> tuple[Opened, ...]:
        """The clients, opened if they are not; none where that fails, which begins a pause."""
        if self._opened or not self.ready:
            return self._opened
        self._begin_opening()
        # who let others wait before is not waited for: opening goes on, and later questions profit
        if not self._hung and self._opening is not None:
            await asyncio.shield(self._opening)
        return self._opened

    def _begin_opening(self) -> None:
        if self._opening is None and not self._closed:
            self._opening = asyncio.create_task(self._open())

    async def close(self) -> None:
        """Disconnects all."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        for task in (self._opening, self._checking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._drop(self._opened)

    async def _ask(
        self, opened: tuple[Opened, ...], one: Opened, what: Asking[Answer], within: float
    ) -> list[Ranked[Answer]]:
        try:
            answer = await asyncio.wait_for(what(one.client), within)
        except asyncio.TimeoutError:
            # a container may be slow to tell of, being started for instance, without its runtime being so
            if self._checking is None:
                self._checking = asyncio.create_task(self._check(opened))
            return []
        except (ConnectionError, NotThisRuntimeError) as error:
            await self._drop(opened)
            self._lost = error
            return []
        except NOT_UNDERSTOOD as error:
            # nor is a runtime given up for one container that it tells badly of
            self._complain(error)
            return []
        return [] if answer is None else [Ranked(one.client.rank, answer)]

    def _complain(self, error: Exception) -> None:
        """Tells of a question without an answer: the first one as a warning, that the log does not grow with them."""
        level, self._complained = (logging.DEBUG if self._complained else logging.WARNING), True
        logger.log(level, "%s did not tell of a container: %s", self.socket.path, _line(error))

    async def _check(self, opened: tuple[Opened, ...]) -> None:
        try:
            for one in opened:
                await asyncio.wait_for(one.client.open(), OPENING)
        except FAILURES as error:
            await self._drop(opened)
            self._pause(error)
        finally:
            self._checking = None

    async def _open(self) -> None:
        """Opens the clients of the runtime that is expected, else whichever are answered to."""
        kinds = clients()
        expected = [kind for kind in kinds if self.socket.runtime in kind.runtimes]
        others = [kind for kind in kinds if kind not in expected]
        families = [expected, *([kind for kind in others if kind.family == family] for family in range(2))]
        try:
            for family in families:
                opened = await self._open_each(family)
                if opened:
                    self._works(opened)
                    return
            raise NotThisRuntimeError("no runtime that tracee knows answers there")
        except FAILURES as error:
            self._pause(error)
        finally:
            self._opening = None

    async def _open_each(self, kinds: Iterable[type[Client]]) -> list[Opened]:
        opened: list[Opened] = []
        for kind in kinds:
            for library in kind.libraries:
                await asyncio.to_thread(import_module, library)
            one = kind(self.socket.path)
            try:
                opened.append(Opened(await asyncio.wait_for(one.open(), OPENING), one))
            except NotThisRuntimeError as error:
                logger.debug("%s: not %s: %s", self.socket.path, "/".join(kind.runtimes), _line(error))
                await one.close()
            except BaseException:
                for client in (one, *(other.client for other in opened)):
                    await client.close()
                raise
        return opened

    async def _drop(self, opened: tuple[Opened, ...]) -> None:
        if self._opened is opened:
            self._opened = ()
            for one in opened:
                await one.client.close()

    def _works(self, opened: list[Opened]) -> None:
        self._opened = tuple(opened)
        names = "/".join(self.runtimes)
        logger.log(
            logging.INFO if self._told else logging.DEBUG, "containers are told by %s at %s", names, self.socket.path
        )
        self._failures, self._hung, self._paused_until, self._told = 0, False, 0.0, False

    def _pause(self, error: Exception) -> None:
        self._failures += 1
        self._hung = isinstance(error, asyncio.TimeoutError)
        length = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 16))
        length *= random.uniform(0.5, 1.0)
        self._paused_until = time.monotonic() + length
        self._paused_at = stamp(self.socket.path)
        if self._hung:
            # no question waits for it any more, so none would find out that it is back
            self._again = asyncio.get_running_loop().call_later(length, self._begin_opening)
        if not self._told:
            self._told = True
            said = "it does not answer in time" if self._hung else _line(error)
            logger.warning("what %s knows of containers is not known: %s", self.socket.path, said)


def _line(error: Exception) -> str:
    """An error for the log: it may quote what a runtime said, which may be anything."""
    said = str(error) or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in said[:300])


async def hear(asked: Sequence[tuple[int, Awaitable[list[Ranked[Answer]]]]], every: bool) -> list[Ranked[Answer]]:
    """The answers, that of the highest rank first.

    Unless every one is wanted, nobody is waited for who cannot give a better answer than there is, and whoever can only
    a little. Those who are not waited for end by themselves.
    """
    pending = {asyncio.ensure_future(answer): rank for rank, answer in asked}
    answers: list[Ranked[Answer]] = []
    while pending:
        top = max((answer.rank for answer in answers), default=None)
        if not every and top is not None and top >= max(pending.values()):
            break
        patience = None if every or top is None else GRACE
        done, _ = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            break
        for task in done:
            del pending[task]
            answers += task.result()
    return sorted(answers, key=lambda answer: -answer.rank)
