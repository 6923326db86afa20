"""gRPC through a unix socket, for clients that speak it. Imported with them, so at the first question to one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

# what its core has to say of lost connections would go to standard error, past our log; it is told by exceptions, too
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from tracee.containers.client import NonsenseError, NotThisRuntimeError

LARGEST_ANSWER = 16 << 20
"""Bytes; containerd and CRI-O send no longer message either."""

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    # otherwise channels to one address share a connection, and with it each other's pause after a failure
    ("grpc.use_local_subchannel_pool", 1),
    # what is paused, and for how long, is decided in one place: source.py
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 100),
)
_NOT_FOUND = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
"""An id that a runtime's rules for ids forbid is none of its containers either."""
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

Answer = TypeVar("Answer", bound=Message)
Request = Message


class Channel:
    """Calls to one socket."""

    def __init__(self, path: Path) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{path}", options=_OPTIONS)
        self._path = path

    async def call(
        self, method: str, request: Request, answer: type[Answer], metadata: tuple[tuple[str, str], ...] = ()
    ) -> Answer | None:
        """Calls a method, such as ``/runtime.v1.RuntimeService/Version``; ``None``: what was asked for is not there.

        Raises:
            NotThisRuntimeError: nobody serves this method.
            ConnectionError: the runtime went away.
            NonsenseError: any other error, and what cannot be decoded.
        """
        call: Any = self._channel.unary_unary(method, request_serializer=type(request).SerializeToString)
        try:
            body: bytes = await call(request, metadata=metadata)
            return answer.FromString(body)
        except DecodeError as error:
            raise NonsenseError(f"{self._path}: {method}: {error}") from error
        except grpc.aio.AioRpcError as error:
            said = f"{self._path}: {method}: {error.details()}"
            if error.code() in _NOT_FOUND:
                return None
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise NotThisRuntimeError(said) from error
            if error.code() in _GONE:
                raise ConnectionError(said) from error
            raise NonsenseError(said) from error

    async def close(self) -> None:
        """Disconnects; calls under way end as cancelled."""
        await self._channel.close()
