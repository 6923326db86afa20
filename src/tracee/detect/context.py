"""What a signature is given at the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import logging

    from tracee._core import Event, Process
    from tracee.detect.signature import Finding


class Processes(Protocol):
    """The tree of processes."""

    def get(self, pid: int, start_time: int | None = None) -> Process | None:
        """What is known of a process, alive or ended not long ago.

        Args:
            pid: as the host sees it: ``event.host_pid``, or one of ``event.ancestors``.
            start_time: ns since 1970, for the one that began then; without it, the last one that had the pid.
        """


class Containers(Protocol):
    """The containers that are there, or were not long ago."""

    def get(self, container_id: str) -> dict[str, Any] | None:
        """As ``container`` in JSON: id, name, image, and so on."""


class Names(Protocol):
    """Names that DNS answered, see ``domain`` of packets."""

    def get(self, address: str) -> str | None:
        """The last name asked for of which ``address`` was an answer, in the host's network."""


class Files(Protocol):
    """Files, as the process of an event sees them."""

    def is_file(self, event: Event, path: str, *names: str) -> bool:
        """Whether ``path``, which the event tells, is one of the files ``names``, by whatever spelling.

        Links to folders (merged /usr) and links to files count, as they do in filters, in the root of the event's
        process. A name may have a ``*`` at its start, end or both.
        """

    def sha256(self, event: Event, path: str) -> str | None:
        """Of a file, in hexadecimal; None where it is gone, too big or no regular file. Kept by inode and ctime."""


class Context:
    """The callback, a logger, and read access to what is known of the host."""

    def __init__(
        self,
        callback: Callable[[Finding], None],
        logger: logging.Logger,
        processes: Processes,
        containers: Containers,
        dns: Names,
        files: Files,
    ) -> None:
        self.callback = callback
        self.logger = logger
        self.processes = processes
        self.containers = containers
        self.dns = dns
        self.files = files
