"""What can be asked of a runtime, and the runtimes there are: each is a file in ``runtimes``, found by being there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import ClassVar, NamedTuple

from tracee.containers.metadata import Metadata


class Question(NamedTuple):
    """A container that is asked about."""

    id: str
    cgroup_path: str
    """Below the root of its hierarchy; containerd's has its namespace."""


class NotThisRuntimeError(Exception):
    """Something answers at the socket, and it is not this runtime."""


class NonsenseError(Exception):
    """The answer is none: too long, cut off, or not of the form that was agreed."""


class Client(ABC):
    """One runtime, asked through one socket. All methods run in the resolver's event loop.

    A method ends with an exception where the runtime does not answer: ``OSError``, ``TimeoutError``,
    :class:`NonsenseError`. Whoever calls them sets the time they may take.
    """

    runtimes: ClassVar[tuple[str, ...]]
    """Names of the runtimes that speak this way, as users and cgroups have them."""
    sockets: ClassVar[Mapping[str, str]]
    """Where it is found, and which runtime that is."""
    libraries: ClassVar[tuple[str, ...]]
    """Modules to import before it can be opened; nothing else may import them, so that starting up is not held up."""
    family: ClassVar[int]
    """What has answered in one way of speaking is not addressed in another; the lowest number is tried first."""
    rank: ClassVar[int]
    """Of several that know a container, the one of the highest rank knows most of it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    async def open(self) -> str:
        """Connects; the runtime's name.

        Raises:
            NotThisRuntimeError: another is behind the socket.
        """

    @abstractmethod
    async def find(self, question: Question) -> Metadata | None:
        """The container; ``None``: the runtime has none with this id."""

    @abstractmethod
    async def all(self) -> dict[str, Metadata]:
        """Every container that the runtime has, by id."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnects. Never fails."""


_clients: list[type[Client]] = []


def client(kind: type[Client]) -> type[Client]:
    """Registers a way to ask a runtime."""
    _clients.append(kind)
    return kind


@cache
def clients() -> tuple[type[Client], ...]:
    """All that are registered, in the order in which a socket of unknown kind is tried."""
    from tracee.containers import runtimes

    for module in iter_modules(runtimes.__path__):
        import_module(f"{runtimes.__name__}.{module.name}")
    return tuple(sorted(_clients, key=lambda kind: kind.family))


def runtime_names() -> list[str]:
    """Every runtime that can be asked, by name."""
    return sorted({name for kind in clients() for name in kind.runtimes})
