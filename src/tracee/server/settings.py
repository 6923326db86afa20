"""What ``--server`` takes. Read at every start, so it imports little."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tracee.errors import InputError
from tracee.events import nearest_hint

HOST, PORT = "127.0.0.1", 3366
OPTIONS = ("token-file=",)
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]]*))(?::(\d+))?")


class ServerSettings(NamedTuple):
    """Where the server listens, and what it asks for."""

    address: tuple[str, int] | None = None
    """Host, empty for all, and port; None: there is no server."""
    token_file: str | None = None


def parse_server(texts: Sequence[str]) -> ServerSettings:
    """Reads ``HOST:PORT``, ``HOST``, ``PORT``, nothing or ``true`` for the usual address, ``false``, and options.

    Raises:
        InputError: it is no address, or one beyond this host, and no token is asked for.
    """
    settings = ServerSettings()
    off = False
    for text in texts:
        if text.startswith("option:"):
            for word in text.removeprefix("option:").split(","):
                settings = settings._replace(token_file=_token_file(word))
        else:
            off = text == "false"
            settings = settings._replace(address=_address("" if text == "true" else text))
    if off or not texts:
        return ServerSettings()
    settings = settings._replace(address=settings.address or (HOST, PORT))
    host = (settings.address or ("", 0))[0]
    if not is_loopback(host) and settings.token_file is None:
        raise InputError(
            f'--server: beyond this host ("{host or "all addresses"}") a token must be asked for: '
            "--server option:token-file=FILE"
        )
    return settings


def _address(text: str) -> tuple[str, int]:
    if text.isdigit():
        text = f"{HOST}:{text}"
    parts = _ADDRESS.fullmatch(text or f"{HOST}:{PORT}")
    port = int(parts[3] or PORT) if parts else -1
    if not parts or not 0 <= port <= 65535:
        raise InputError(f'--server: "{text}" is no address such as {HOST}:{PORT}')
    return parts[1] or parts[2] or "", port


def _token_file(word: str) -> str:
    name, _, value = word.partition("=")
    if f"{name}=" not in OPTIONS:
        raise InputError(f'--server: unknown option "{word}"{nearest_hint(name, [o.rstrip("=") for o in OPTIONS])}')
    if not value:
        raise InputError(f'--server "option:{word}": {name} needs a value')
    return value


def is_loopback(host: str) -> bool:
    """Whether only this host can reach an address."""
    if host == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
