"""The HTTP server: few short requests at a time, by threads of its own, which only read counters."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import socket
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock, Thread
from urllib.parse import urlsplit

from tracee.errors import InputError, OutputError
from tracee.log import logger
from tracee.server.settings import ServerSettings, is_loopback

_MOST_CONNECTIONS = 16
_PATIENCE = 5.0
"""Seconds for each part of a request ..."""
_LONGEST = 10.0
"""... and for all of it."""
_QUIET = 15.0
"""Seconds after which a tracer that has not been looked after is not well."""
_LEAST_TOKEN = 16
_MOST_TOKEN = 4096

_TEXT = "text/plain; charset=utf-8"

Connection = socket.socket | tuple[bytes, socket.socket]
"""As the standard library has it, for datagrams, too."""
Metrics = Callable[[str], tuple[bytes, str]]
"""Makes all metrics for an ``Accept`` header: text and content type."""


class Health:
    """How the run is."""

    def __init__(self) -> None:
        self._begun = False
        self._looked = time.monotonic()

    def begin(self) -> None:
        """Tracing has begun."""
        self._begun = True
        self.look()

    def look(self) -> None:
        """The run is looked after. To be called every second once it has begun."""
        self._looked = time.monotonic()

    @property
    def ready(self) -> bool:
        """Events are recorded."""
        return self._begun and self.well

    @property
    def well(self) -> bool:
        """It goes on as it should; a start may take long."""
        return not self._begun or time.monotonic() - self._looked < _QUIET


class Request(BaseHTTPRequestHandler):
    """One request; the connection ends with it."""

    server: _Server
    timeout = _PATIENCE
    server_version = "tracee"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers."""
        health = self.server.health
        path = urlsplit(self.path).path
        if not self._is_for_us():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "this host is called otherwise\n")
        elif path == "/healthz":
            self._tell(health.well)
        elif path == "/readyz":
            self._tell(health.ready)
        elif path != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz\n")
        elif not self._may():
            self._answer(HTTPStatus.UNAUTHORIZED, "a token is needed\n", **{"WWW-Authenticate": "Bearer"})
        else:
            text, kind = self.server.metrics(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, text, kind)

    do_HEAD = do_GET  # noqa: N815 - as above

    def _tell(self, well: bool) -> None:
        self._answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, "ok\n" if well else "not ready\n")

    def _is_for_us(self) -> bool:
        """A page in a browser on this host can have its name lead to our address; its name then is told here."""
        if self.server.token is not None:
            return True
        try:
            host = urlsplit("//" + self.headers.get("Host", "localhost")).hostname or ""
        except ValueError:
            return False
        return is_loopback(host)

    def _may(self) -> bool:
        if self.server.token is None:
            return True
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        return kind.lower() == "bearer" and hmac.compare_digest(given, self.server.token)

    def _answer(
        self, status: HTTPStatus, body: str | bytes, kind: str = "text/plain; charset=utf-8", **headers: str
    ) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, form: str, *values: object) -> None:
        """For who debugs."""
        logger.debug("server: %s %s", self.client_address[0], form % values)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], token: bytes | None, metrics: Metrics, health: Health) -> None:
        family, place = _place(address)
        self.address_family = family
        self.token = token
        self.metrics = metrics
        self.health = health
        self._room = BoundedSemaphore(_MOST_CONNECTIONS)
        self._begun: dict[socket.socket, float] = {}
        self._lock = Lock()
        super().__init__(place, Request)

    def process_request(self, request: Connection, client_address: object) -> None:
        """Begins a thread for it, if there is room."""
        assert isinstance(request, socket.socket)
        if not self._room.acquire(blocking=False):
            with contextlib.suppress(OSError):  # it need not be told
                request.setblocking(False)
                request.send(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        with self._lock:
            self._begun[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had
            self._forget(request)
            raise

    def process_request_thread(self, request: Connection, client_address: object) -> None:
        """Serves it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def _forget(self, request: Connection) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            del self._begun[request]
        self._room.release()

    def service_actions(self) -> None:
        """Ends what takes too long."""
        now = time.monotonic()
        with self._lock:
            late = [request for request, begun in self._begun.items() if now - begun > _LONGEST]
            for request in late:
                with contextlib.suppress(OSError):  # it has just ended by itself
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A request that ends before its time is nothing to tell; a defect of ours is."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            logger.debug("server: %s", error.strerror or error)
        else:
            logger.error("server: a request failed", exc_info=error)


def _place(address: tuple[str, int]) -> tuple[socket.AddressFamily, tuple[str, int]]:
    host, port = address
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            return socket.AF_INET6, (host, port)
    return socket.AF_INET, (host, port)


class Server:
    """Listens once it is made; answers once it is started."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, health: Health) -> None:
        """Opens the socket.

        Raises:
            OutputError: it cannot listen there, or the token cannot be read.
        """
        assert settings.address is not None
        token = _read_token(settings.token_file) if settings.token_file is not None else None
        host, port = settings.address
        try:
            self._server = _Server(settings.address, token, metrics, health)
        except OSError as error:
            raise OutputError(f"--server {host}:{port}: {error.strerror}") from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.5,), name="tracee-server", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        host, port = self._server.server_address[:2]
        logger.info("serving on http://%s:%d", f"[{host!s}]" if ":" in str(host) else str(host), port)

    def close(self) -> None:
        """Ends; requests that are being answered are cut off."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def _read_token(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            token = stream.read(_MOST_TOKEN + 1).strip()
    except OSError as error:
        raise InputError(f"--server option:token-file={file}: {error.strerror}") from error
    if not _LEAST_TOKEN <= len(token) <= _MOST_TOKEN or b"\n" in token:
        raise InputError(
            f"--server option:token-file={file}: a token is one line of {_LEAST_TOKEN} to {_MOST_TOKEN} bytes"
        )
    return token
