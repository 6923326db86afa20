"""What sinks need of connections."""

from __future__ import annotations

import contextlib
import select
import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from tracee.errors import InputError

if TYPE_CHECKING:
    import ssl


@lru_cache
def client_context(kind: str, verify: bool, ca_file: str) -> ssl.SSLContext:
    """What connections of a sink go by.

    Args:
        kind: of the sink, for errors.
        verify: the receiver must have a certificate that we trust, for its name.
        ca_file: certificates to trust, in PEM; empty: the system's.

    Raises:
        InputError: the file cannot be used.
    """
    import ssl

    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"--output {kind}: ca-file {ca_file}: {error.strerror or error}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def has_ended(sock: socket.socket) -> bool:
    """Whether an idle connection has something to be read where nothing should be: most often its end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def shut_down(sock: socket.socket | None) -> None:
    """Ends a connection under a thread that waits for it: what it does fails at once."""
    if sock is not None:
        with contextlib.suppress(OSError):  # it has just ended by itself
            sock.shutdown(socket.SHUT_RDWR)
