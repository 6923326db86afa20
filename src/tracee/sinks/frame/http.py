"""Connections for HTTP that take no half answer for a whole one. Imported where one is made: it takes a while."""

from __future__ import annotations

import io
import socket
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, RemoteDisconnected
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["HTTPConnection", "HTTPException", "connection"]


class _WholeLines(io.BufferedReader):
    """Takes the end of a connection for no end of a line."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise RemoteDisconnected("it ends the connection in the middle of an answer")
        return line


class _Answer(HTTPResponse):
    """One whose head has come to its end: a head that was cut off is no answer, whatever its first line says."""

    def __init__(self, sock: socket.socket, *more: object, **words: object) -> None:
        super().__init__(sock, *more, **words)  # type: ignore[arg-type]
        self.fp.close()
        self.fp = _WholeLines(sock.makefile("rb", buffering=0))


def connection(host: str, port: int | None, timeout: float, context: ssl.SSLContext | None) -> HTTPConnection:
    """One that connects when it is first used; by TLS where there is a context."""
    made = (
        HTTPSConnection(host, port, timeout=timeout, context=context)
        if context is not None
        else HTTPConnection(host, port, timeout=timeout)
    )
    made.response_class = _Answer
    return made
