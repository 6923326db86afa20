"""Servers on real unix sockets that behave as runtimes do when something is wrong with them."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

Handler = Callable[[str, socket.socket], None]
"""Answers a request for a path, on its connection."""
PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10\r\nContent-Length: 2\r\n\r\nOK"


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name: 107 characters are all it may have."""
    with tempfile.TemporaryDirectory(prefix="tracee-") as folder:
        yield Path(folder)


class HttpServer:
    """Answers as its handler does; counts connections."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.requests: list[str] = []
        self.ended = threading.Event()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(64)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Ends all connections."""
        self.ended.set()
        for one in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            asked = b""
            while part := connection.recv(1 << 16):
                asked += part
                while b"\r\n\r\n" in asked:
                    head, _, asked = asked.partition(b"\r\n\r\n")
                    path = [*head.split(b" "), b""][1].decode()
                    self.requests.append(path)
                    self.handler(path, connection)


def answer(status: int, body: bytes) -> bytes:
    """A whole answer."""
    return f"HTTP/1.1 {status} Status\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def tells(lists: Mapping[str, object]) -> Handler:
    """A Docker that answers with these bodies (JSON, or bytes as they are), by the beginning of the path."""

    def handle(path: str, connection: socket.socket) -> None:
        if path == "/_ping":
            connection.sendall(PING)
            return
        found = next((body for start, body in lists.items() if path.startswith(start)), None)
        if found is None:
            connection.sendall(answer(404, b'{"message":"not there"}'))
        else:
            connection.sendall(answer(200, found if isinstance(found, bytes) else json.dumps(found).encode()))

    return handle


class GrpcServer:
    """Answers methods with bytes, whatever it is asked; others are unknown to it."""

    def __init__(self, path: Path, methods: Mapping[str, Callable[[bytes, grpc.ServicerContext], bytes]]) -> None:
        self.asked: list[str] = []
        server = self

        class Every(grpc.GenericRpcHandler):
            def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
                server.asked.append(call.method)
                method = methods.get(call.method)
                return None if method is None else grpc.unary_unary_rpc_method_handler(method)

        self._threads = ThreadPoolExecutor(8)
        self._server = grpc.server(self._threads, handlers=[Every()])
        self._server.add_insecure_port(f"unix:{path}")
        self._server.start()

    def __enter__(self) -> GrpcServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop(0).wait()
        self._threads.shutdown()
