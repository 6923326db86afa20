"""Receivers of events, on this machine, and what they are compared with."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from conftest import PATIENCE, Run

NAME = f"calls{os.getpid()}"
"""Of the program that makes the calls: no other of that name runs here."""

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request to a :class:`Receiver`."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.body = body
        receiver = self.server.receiver
        receiver.asked += 1
        receiver.answer(self)

    def take(self) -> None:
        """Writes the events down, and says so."""
        receiver = self.server.receiver
        text = self.body
        if self.headers["Content-Type"] == "application/json":
            # the lines as they were, so that they can be compared as text
            assert isinstance(json.loads(text), list)
            text = text[1:-1].replace(b",\n", b"\n")
        with receiver.lock:
            lines = text.splitlines()
            receiver.batches.append((self.headers["Idempotency-Key"], lines))
            receiver.count += len(lines)
            receiver.headers.append(dict(self.headers))
        self.say(200)

    def say(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    receiver: Receiver

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.receiver.connections.append(connection)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """A sender that went away is no error here."""


class Receiver:
    """An HTTP server on loopback that keeps its port while it is stopped and started."""

    def __init__(self, answer: Answer = Request.take) -> None:
        self.answer = answer
        self.asked = 0
        """Requests so far."""
        self.count = 0
        """Events so far, those that came again among them."""
        self.batches: list[tuple[str, list[bytes]]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.port = 0
        self.server: Server | None = None
        self.connections: list[socket.socket] = []
        self.released = threading.Event()
        """Set: the troubles that it makes are over."""

    def start(self) -> None:
        self.server = Server(("127.0.0.1", self.port), Request)
        self.server.receiver = self
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            for connection in self.connections:
                with suppress(OSError):  # it has ended
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()

    def has(self, events: int) -> bool:
        """Whether it has so many, those that came again among them."""
        return self.count >= events

    @property
    def lines(self) -> list[bytes]:
        with self.lock:
            return [line for _, lines in self.batches for line in lines]

    def url(self, **options: object) -> str:
        query = "&".join(f"{name.replace('_', '-')}={value}" for name, value in options.items())
        return f"webhook:http://127.0.0.1:{self.port}/in?{query}"


class Traced:
    """Arguments for a run that sends the events of :data:`NAME` away, and writes them down here, to be compared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "truth.json"
        self.spool = folder / "spool"
        self._counted = (0, 0)
        """Bytes that were read, and the events in them."""

    def arguments(self, *sinks: str, options: str = "") -> list[str]:
        outputs = [f"json:{self.file}", *sinks, f"option:spool-dir={self.spool}{options}"]
        words = ["--events", "getppid", "--scope", f"comm={NAME}", "--stats", "--perf-buffer-size", "8192"]
        return words + [word for output in outputs for word in ("--output", output)]

    @property
    def truth(self) -> list[bytes]:
        return self.file.read_bytes().splitlines()

    def written(self) -> int:
        """Bytes of all events."""
        return self.file.stat().st_size

    def events(self) -> int:
        """How many are written."""
        at, events = self._counted
        with open(self.file, "rb") as file:
            file.seek(at)
            more = file.read()
        self._counted = (at + len(more), events + more.count(b"\n"))
        return self._counted[1]

    def spooled(self) -> int:
        """Bytes in the spool."""
        size = 0
        for file in self.spool.rglob("*.events"):
            with suppress(FileNotFoundError):  # it has just been sent
                size += file.stat().st_size
        return size


def sink_counters(run: Run) -> list[dict[str, Any]]:
    (stats,) = [line for line in run.stderr.splitlines() if line.startswith('{"stats"')]
    return list(json.loads(stats)["stats"]["sinks"].values())


def figures(truth: list[bytes], delivered: list[bytes]) -> dict[str, int]:
    counts = Counter(delivered)
    return {
        "events": len(truth),
        "delivered": len(delivered),
        "doubled": sum(count - 1 for count in counts.values()),
        "lost": len(Counter(truth) - counts),
        "invented": len(counts - Counter(truth) - counts) + len(set(counts) - set(truth)),
    }


def in_order(lines: list[bytes]) -> bool:
    """First appearances are in the order of time."""
    stamps = [json.loads(line)["timestamp"] for line in dict.fromkeys(lines)]
    return stamps == sorted(stamps)


def call_until(condition: Callable[[], bool], calls: Callable[[int], None]) -> None:
    """Makes calls, no faster than a disk takes them, until something has come of it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        calls(200)


def silence(request: Request) -> None:
    """Never answers; the connection stays open."""
    request.server.receiver.released.wait(PATIENCE)
    request.close_connection = True


def reset(request: Request) -> None:
    """Ends the connection as if it had crashed."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
    request.close_connection = True
