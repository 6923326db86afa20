"""What becomes of events when their receiver goes away under load: sent, delivered, doubled, lost.

``python bench/outage.py [EVENTS [SECONDS]]`` as root. A program makes calls without a pause, EVENTS of them a second; a
receiver on loopback takes them by HTTP, is gone for SECONDS, and comes back. Each event is told apart by its line, and
compared with what a file has of the same run. Status 1 where one is missing.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

NAME = "outage"
START = 60.0
"""Seconds that a tracer may take to begin, and a receiver to catch up after the last event."""
BURST = 0.1
"""Seconds between two bursts of calls."""
WORKLOADS = Path(__file__).parent / "workloads.c"


class Receiver(BaseHTTPRequestHandler):
    """Keeps each line that is posted, how often it came."""

    protocol_version = "HTTP/1.1"
    got: ClassVar[Counter[bytes]] = Counter()
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            self.got.update(body.splitlines())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """One that can go away: connections that are there end with it."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), Receiver)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def go(self) -> None:
        """Goes away."""
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with suppress(OSError):  # it has ended
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that went away is no error here."""


def wait(condition: Callable[[], bool], what: str) -> float:
    """How long it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > START:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.01)
    return time.monotonic() - begun


def load(program: Path, rate: int, seconds: float) -> None:
    """So many calls a second, in bursts."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        next_burst = time.monotonic() + BURST
        subprocess.run([program, "getppid", str(round(rate * BURST))], check=True, stderr=subprocess.DEVNULL)
        time.sleep(max(0.0, next_burst - time.monotonic()))


def main(rate: int = 20_000, outage: float = 10.0) -> int:
    """Prints the figures."""
    folder = Path(tempfile.mkdtemp())
    program, file, log = folder / NAME, folder / "events", folder / "log"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", program, WORKLOADS], check=True)
    server = Server(0)
    port = server.server_port
    flags = [
        "--events",
        "getppid",
        "--scope",
        f"comm={NAME}",
        "--perf-buffer-size",
        "8192",
        "--stats",
        "--log",
        "debug",
    ]
    sink = f"webhook:http://127.0.0.1:{port}/?format=ndjson&drain=30s"
    outputs = [f"json:{file}", sink, f"option:spool-dir={folder / 'spool'},spool-size=1GiB"]
    command = [sys.executable, "-m", "tracee", *flags, *(word for o in outputs for word in ("--output", o))]
    with open(log, "wb") as err:
        tracer = subprocess.Popen(command, stderr=err)
    wait(lambda: b"tracing has begun" in log.read_bytes() or tracer.poll() is not None, "the tracer")
    load(program, rate, 2)
    wait(lambda: bool(Receiver.got), "the first batch")
    server.go()
    load(program, rate, outage)
    server = Server(port)
    back = time.monotonic()
    load(program, rate, 2)
    tracer.terminate()
    tracer.wait(2 * START)
    caught_up = time.monotonic() - back
    server.go()
    sent = Counter(file.read_bytes().splitlines())
    stats = next(json.loads(line)["stats"] for line in log.read_text().splitlines() if line.startswith('{"stats"'))
    (counters,) = stats["sinks"].values()
    lost = (sent - Receiver.got).total()
    figures = {
        "events sent": sent.total(),
        "delivered": Receiver.got.total(),
        "doubled": (Receiver.got - sent).total(),
        "lost": lost,
        "lost by the kernel side": stats["lost"],
        "batches sent again": counters["retried"],
        "dropped at the limit": counters["dropped"],
        "left in the spool": counters["spooled"],
    }
    print(
        f"{rate} events a second, the receiver away for {outage:g} s; all delivered {caught_up:.1f} s after it was back"
    )
    for what, number in figures.items():
        print(f"{what:24} {number:>10}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(*(kind(text) for kind, text in zip((int, float), sys.argv[1:], strict=False))))
