"""``forward:tcp://HOST:PORT?tag=TAG``: Fluent's forward protocol, as Fluentd and Fluent Bit take it.

A batch is one message (PackedForward, or CompressedPackedForward) with an id that the receiver must acknowledge. Where
a shared key is set, each proves to the other that it knows it, before anything is sent.
"""

from __future__ import annotations

import gzip
import hmac
import os
import socket
import time
from base64 import b64encode
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tracee.errors import InputError
from tracee.sinks import Delivery, Sink, register
from tracee.sinks.frame.batch import Batch, RetryError
from tracee.sinks.frame.network import client_context, has_ended, shut_down
from tracee.sinks.frame.options import place_of

if TYPE_CHECKING:
    import msgspec

_PORT = 24224
_MOST_ANSWER = 64 << 10
"""Bytes of a message from the receiver."""
_EVENT_TIME = 0
"""The code of the protocol's type for times with nanoseconds."""
_SINCE_1970 = 10**18
"""ns: smaller timestamps are relative to something else."""


class ForwardSettings(NamedTuple):
    """What can be set of a receiver of the forward protocol."""

    url: str
    """``tcp://`` or ``tls://``; a user and a password may stand in it."""
    tag: str = "tracee"
    """By it the receiver chooses what to do with the events."""
    shared_key: str = ""
    """Empty: the receiver asks for none."""
    gzip: bool = False
    timeout: float = 10.0
    """Seconds for a connection, and for each answer."""
    verify: bool = True
    """Of TLS: the receiver must have a certificate that we trust."""
    ca_file: str = ""
    """Certificates to trust, in PEM; empty: the system's."""
    delivery: Delivery = Delivery()


@register("forward", ForwardSettings)
class Forward(Sink):
    """A receiver of the forward protocol. The connection is kept."""

    def __init__(self, settings: ForwardSettings) -> None:
        """Checks the settings.

        Raises:
            InputError: a value cannot be.
        """
        parts = urlsplit(settings.url)
        if parts.scheme not in ("tcp", "tls"):
            raise InputError(f"--output forward: a URL begins with tcp:// or tls://, not {parts.scheme}://")
        if parts.path.strip("/") or parts.query:
            raise InputError("--output forward: a URL such as tcp://HOST:PORT?tag=TAG is needed")
        if not settings.tag or settings.timeout <= 0:
            raise InputError(f"--output forward: {'timeout must be more than 0' if settings.tag else 'tag is empty'}")
        if parts.username is not None and not settings.shared_key:
            raise InputError("--output forward: a user and a password are of use with a shared-key only")
        self._settings = settings
        self._address = (parts.hostname or "", parts.port or _PORT)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._context = client_context("forward", settings.verify, settings.ca_file) if parts.scheme == "tls" else None
        self._socket: socket.socket | None = None
        self._packer: _Packer | None = None
        self.name = f"forward {parts.scheme}://{place_of(parts.netloc)}"
        self.patience = settings.timeout * 3

    def send(self, batch: Batch) -> None:
        """Sends it as one message; what the receiver has written down it acknowledges."""
        self._packer = self._packer or _Packer()
        entries = self._packer.entries(batch.lines)
        # a message that comes again has the same id
        chunk = b64encode(sha256(batch.id.encode()).digest()[:16]).decode("ascii")
        option: dict[str, Any] = {"size": batch.events, "chunk": chunk}
        if self._settings.gzip:
            entries, option["compressed"] = gzip.compress(entries, 1), "gzip"
        message = self._packer.pack([self._settings.tag, entries, option])
        try:
            connection = self._connect()
            connection.sendall(message)
            answer = self._answer(connection)
        except BaseException:
            self.close()
            raise
        if not isinstance(answer, dict) or answer.get("ack") != chunk:
            self.close()
            asks = isinstance(answer, list) and answer[:1] == ["HELO"]
            raise RetryError("it asks for a shared-key" if asks else "it does not acknowledge what it was sent")

    def _connect(self) -> socket.socket:
        if self._socket is not None and has_ended(self._socket):
            self.close()
        if self._socket is None:
            plain = socket.create_connection(self._address, self._settings.timeout)
            self._socket = plain
            if self._context is not None:
                self._socket = self._context.wrap_socket(plain, server_hostname=self._address[0])
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._settings.shared_key:
                self._shake_hands(self._socket)
        return self._socket

    def _shake_hands(self, connection: socket.socket) -> None:
        """Each side shows that it knows the key, without telling it."""
        assert self._packer is not None
        # a receiver on the same host would take us for itself by the bare name, and refuse
        key, name = self._settings.shared_key.encode(), f"tracee.{socket.gethostname()}"
        greeting = self._answer(connection)
        if not (isinstance(greeting, list) and greeting[:1] == ["HELO"] and isinstance(greeting[-1], dict)):
            raise RetryError("it does not greet as one that has a shared key")
        nonce, auth = (_bytes(greeting[-1].get(word)) for word in ("nonce", "auth"))
        salt = os.urandom(16)
        ours = sha512(salt + name.encode() + nonce + key).hexdigest()
        password = sha512(auth + self._user.encode() + self._password.encode()).hexdigest() if auth else ""
        connection.sendall(self._packer.pack(["PING", name, salt, ours, self._user if auth else "", password]))
        answer = self._answer(connection)
        if not (isinstance(answer, list) and len(answer) == 5 and answer[0] == "PONG"):
            raise RetryError("its answer to the shared key makes no sense")
        _, well, why, server, digest = answer
        if well is not True:
            raise RetryError(f"it does not let us in: {str(why)[:200]}")
        theirs = sha512(salt + str(server).encode() + nonce + key).hexdigest()
        if not hmac.compare_digest(theirs.encode(), _bytes(digest)):
            raise RetryError("it does not know the shared key")

    def _answer(self, connection: socket.socket) -> object:
        """One message of the receiver."""
        assert self._packer is not None
        text = b""
        while True:
            more = connection.recv(4096)
            if not more:
                raise RetryError("it ends the connection without an answer")
            text += more
            message, whole = self._packer.unpack(text)
            if whole:
                return message
            if len(text) > _MOST_ANSWER:
                raise RetryError("its answer makes no sense")

    def abort(self) -> None:
        """Shuts the connection down under who waits for it."""
        shut_down(self._socket)

    def close(self) -> None:
        """Ends the connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()


class _Packer:
    """JSON to MessagePack. Made when first needed: it is not imported at every start."""

    def __init__(self) -> None:
        import msgspec.json
        import msgspec.msgpack

        self._decode_lines = msgspec.json.Decoder().decode_lines
        self._encoder = msgspec.msgpack.Encoder()
        self._decode = msgspec.msgpack.Decoder().decode
        self._error = msgspec.DecodeError
        self._ext = msgspec.msgpack.Ext

    def pack(self, value: object) -> bytes:
        return self._encoder.encode(value)

    def entries(self, lines: bytes) -> bytes:
        """Pairs of a time and a record, one behind the other."""
        packed = bytearray()
        for record in self._decode_lines(lines):
            # -1: behind what is there
            self._encoder.encode_into((self._time(record), record), packed, -1)
        return bytes(packed)

    def _time(self, record: dict[str, object]) -> msgspec.msgpack.Ext:
        stamp = record.get("timestamp")
        if not isinstance(stamp, int) or stamp < _SINCE_1970:
            stamp = time.time_ns()
        whole, rest = divmod(stamp, 10**9)
        return self._ext(_EVENT_TIME, (whole & 0xFFFFFFFF).to_bytes(4, "big") + rest.to_bytes(4, "big"))

    def unpack(self, text: bytes) -> tuple[object, bool]:
        """A message, and whether it is all there."""
        try:
            return self._decode(text), True
        except self._error as error:
            if "truncated" in str(error):
                return None, False
            raise RetryError("its answer makes no sense") from error


def _bytes(value: object) -> bytes:
    """Receivers of different age send text or bytes."""
    return value if isinstance(value, bytes) else str(value or "").encode()
