"""``webhook:URL``: batches by HTTP POST, as a JSON array or as lines of JSON."""

from __future__ import annotations

import contextlib
import gzip
import time
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from tracee.errors import InputError
from tracee.sinks import Delivery, Sink, register
from tracee.sinks.frame.batch import Batch, RefusedError, RetryError
from tracee.sinks.frame.network import client_context, has_ended, shut_down
from tracee.sinks.frame.options import Headers, place_of

if TYPE_CHECKING:
    from http.client import HTTPConnection

_FORMATS = {"json": "application/json", "ndjson": "application/x-ndjson"}
_MOST_ANSWER = 64 << 10
"""Bytes read of an answer's body, so that the connection can be used again."""
_LATER = (408, 425, 429)
"""With these, and with all from 500 on, a receiver says that it may take the batch at another time."""

_TOO_LARGE = 413


class WebhookSettings(NamedTuple):
    """What can be set of a webhook."""

    url: str
    headers: Headers = ()
    """More headers of each request."""
    format: str = "json"
    """``json``: an array; ``ndjson``: a line an event."""
    gzip: bool = False
    timeout: float = 10.0
    """Seconds for a connection, and for each part of an answer; a whole request may take three times as long."""
    verify: bool = True
    """Of TLS: the receiver must have a certificate that we trust."""
    ca_file: str = ""
    """Certificates to trust, in PEM; empty: the system's."""
    delivery: Delivery = Delivery()


@register("webhook", WebhookSettings)
class Webhook(Sink):
    """A receiver of POST requests. The connection is kept."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Checks the settings.

        Raises:
            InputError: a value cannot be.
        """
        parts = urlsplit(settings.url)
        if parts.scheme not in ("http", "https"):
            raise InputError(f"--output webhook: a URL begins with http:// or https://, not {parts.scheme}://")
        if settings.format not in _FORMATS:
            raise InputError(f'--output webhook: unknown format "{settings.format}"; known are {", ".join(_FORMATS)}')
        if settings.timeout <= 0:
            raise InputError("--output webhook: timeout must be more than 0")
        self._settings = settings
        self._host, self._port = parts.hostname or "", parts.port
        self._path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self.name = f"webhook {parts.scheme}://{place_of(parts.netloc)}{_shown(parts.path, parts.query)}"
        self.patience = settings.timeout * 3
        self._context = (
            client_context("webhook", settings.verify, settings.ca_file) if parts.scheme == "https" else None
        )
        self._headers = {"Content-Type": _FORMATS[settings.format], "User-Agent": "tracee"}
        if settings.gzip:
            self._headers["Content-Encoding"] = "gzip"
        if parts.username is not None:
            self._headers["Authorization"] = _basic(unquote(parts.username), unquote(parts.password or ""))
        self._headers.update(settings.headers)
        self._connection: HTTPConnection | None = None

    def send(self, batch: Batch) -> None:
        """Posts it; any 2xx is a receipt."""
        refused = self._send(batch.id, batch.lines, batch.events)
        if refused:
            raise RefusedError(f"it refuses events: it answers {refused[0][0]}", sum(events for _, events in refused))

    def _send(self, key: str, lines: bytes, events: int) -> list[tuple[int, int]]:
        """Posts events, in halves where they are too many; of what is refused: the answer's status, and how many."""
        from tracee.sinks.frame.http import HTTPException

        body = lines if self._settings.format == "ndjson" else as_array(lines)
        if self._settings.gzip:
            body = gzip.compress(body, 1)
        try:
            status = self._post(key, body)
        except OSError:  # first, since some of them are a ValueError, too
            self.close()
            raise
        except (HTTPException, ValueError) as error:
            self.close()
            raise RetryError(f"the answer makes no sense ({type(error).__name__})") from error
        if status == _TOO_LARGE and events > 1:
            rows = lines.splitlines(keepends=True)
            # when the batch comes again, it is cut in the same way, and the halves have the same keys
            halves = {f"{key}.1": rows[: events // 2], f"{key}.2": rows[events // 2 :]}
            return [one for half, part in halves.items() for one in self._send(half, b"".join(part), len(part))]
        return [] if 200 <= status < 300 else [(status, events)]

    def _post(self, key: str, body: bytes) -> int:
        """The status of the answer, unless it is one of those after which one tries again."""
        from tracee.sinks.frame.http import HTTPException

        connection = self._connect()
        # a receiver may answer before it has read all, and take no more: then what it says is to be heard
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", self._path, body, {**self._headers, "Idempotency-Key": key})
        answer = connection.getresponse()
        status = answer.status
        after = _seconds_of(answer.getheader("Retry-After")) if status in (429, 503) else 0.0
        # a receipt counts, whatever becomes of the rest of the answer
        try:
            reusable = len(answer.read(_MOST_ANSWER)) < _MOST_ANSWER and not answer.will_close
        except (OSError, ValueError, HTTPException):
            reusable = False
        if not reusable:
            self.close()
        if status >= 500 or status in _LATER:
            raise RetryError(f"it answers {status}", after)
        return status

    def _connect(self) -> HTTPConnection:
        from tracee.sinks.frame.http import connection

        if self._connection is None:
            self._connection = connection(self._host, self._port, self._settings.timeout, self._context)
        if self._connection.sock is not None and has_ended(self._connection.sock):
            # the receiver closed a connection that was idle: no failure
            self._connection.close()
        if self._connection.sock is None:
            self._connection.connect()
        return self._connection

    def abort(self) -> None:
        """Shuts the connection down under who waits for it."""
        connection = self._connection
        if connection is not None:
            shut_down(connection.sock)

    def close(self) -> None:
        """Ends the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def as_array(lines: bytes) -> bytes:
    """Lines of JSON as an array of JSON: no line has an end inside."""
    return b"[" + lines.removesuffix(b"\n").replace(b"\n", b",\n") + b"]"


def _basic(user: str, password: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


def _shown(path: str, query: str) -> str:
    """What of a path is told: deeper ones may hold a secret, so those are only told apart."""
    first, rest = path[1:].partition("/")[::2]
    if not rest and not query:
        return path
    return f"/{first}/...{sha256(f'{path}?{query}'.encode()).hexdigest()[:6]}"


def _seconds_of(retry_after: str | None) -> float:
    """What ``Retry-After`` says, which is seconds or a date; 0 where it says nothing that can be read."""
    if not retry_after:
        return 0.0
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    import email.utils

    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
