"""All sockets of this host's runtimes, asked at once. Runs in the resolver's event loop, and only there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tracee.containers.client import Client, Question
from tracee.containers.metadata import Metadata
from tracee.containers.sockets import Socket, given, known
from tracee.containers.source import Asking, Source, hear

SOURCES = 32
"""Sockets that are asked at most."""
LOOK_AGAIN = 5.0
"""Seconds after which the usual places are looked at again: a runtime may be started after us."""


class Asker:
    """The sources, and the order in which they are asked."""

    def __init__(self, sockets: Sequence[tuple[str | None, Path]], host: Path) -> None:
        self._given = sockets
        self._host = host
        self._sources: dict[Path, Source] = {}
        self._looked = float("-inf")

    async def resolve(self, question: Question, runtime: str | None, within: float) -> Metadata | None:
        """What the best of the runtimes tells: the one that is named, where it knows the container."""
        ready = [source for source in self.look() if source.ready]
        named = [source for source in ready if runtime in source.runtimes]
        end = time.monotonic() + within
        for sources in (named, [source for source in ready if source not in named]):
            left = end - time.monotonic()
            if left > 0:
                asking: Asking[Metadata] = partial(_find, question=question)
                answers = await hear([(source.rank, source.ask(asking, left)) for source in sources], every=False)
                if answers:
                    return answers[0].answer
        return None

    async def containers(self, within: float) -> dict[str, Metadata]:
        """All that all runtimes tell; of a container that several have, what the best tells."""
        sources = [source for source in self.look() if source.ready]
        answers = await hear([(source.rank, source.ask(_all, within, every=True)) for source in sources], every=True)
        told: dict[str, Metadata] = {}
        for one in reversed(answers):
            told.update(one.answer)
        return told

    async def open(self) -> None:
        """Opens all sources that are ready."""
        await asyncio.gather(*(source.open() for source in self.look()))

    async def close(self) -> None:
        """Closes all sources."""
        await asyncio.gather(*(source.close() for source in self._sources.values()))

    def look(self) -> list[Source]:
        """The sources there are: those that were given, or else those found; looked for again now and then."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._looked = time.monotonic()
            for socket in given(self._given, self._host) or known(self._host):
                if len(self._sources) < SOURCES:
                    self._sources.setdefault(socket.path, Source(socket))
        return list(self._sources.values())

    def sockets(self) -> list[Socket]:
        """Every socket, by the name of each runtime that is behind it."""
        every: list[Socket] = []
        for source in self.look():
            names: list[str | None] = [*source.runtimes]
            every += [Socket(name, source.socket.path) for name in names or [None]]
        return every


async def _find(client: Client, question: Question) -> Metadata | None:
    return await client.find(question)


async def _all(client: Client) -> dict[str, Metadata]:
    return await client.all()
