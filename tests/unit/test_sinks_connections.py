"""What becomes of connections that break: never an error that would have a batch dropped."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from threading import Thread

import pytest

from tracee import sinks
from tracee.sinks.frame.batch import Batch, RetryError

BATCH = Batch(1, b"12345678", 2, b'{"n":1}\n{"n":2}\n')


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def say(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(1 << 16)
            connection.sendall(text)

    return answer


BREAKS: dict[str, Callable[[socket.socket], None]] = {
    "resets": reset,
    "ends": lambda connection: connection.close(),
    "nothing": say(b""),
    "half a line": say(b"HTTP/1.1 20"),
    "half a head": say(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a head without its end": say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
    "no status": say(b"HTTP/1.1 OK fine\r\n\r\n"),
    "another protocol": say(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "zeros": say(b"\0" * 4096),
    "many headers": say(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n"),
    "a long line": say(b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize(
    "url", ["webhook:http://{}/", "webhook:https://{}/?verify=false", "forward:tcp://{}", "forward:tls://{}"]
)
def test_a_broken_answer_is_a_reason_to_try_again(url: str, how: str) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        BREAKS[how](connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        sink = sinks.make(sinks.parse(url.format(f"127.0.0.1:{listener.getsockname()[1]}")))
        with pytest.raises((RetryError, OSError)):
            sink.send(BATCH)
        sink.close()
        thread.join()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for kind in ("webhook:http", "webhook:https", "forward:tcp", "forward:tls"):
        with pytest.raises(ConnectionRefusedError):
            sinks.make(sinks.parse(f"{kind}://127.0.0.1:{port}")).send(BATCH)
