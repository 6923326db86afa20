"""TCP connections of processes, as /proc tells of them."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple

INODE = re.compile(r"socket:\[(\d+)\]")


class Peer(NamedTuple):
    """The other end of a connection."""

    address: str
    port: int


def peer_of(address: Any) -> Peer | None:  # noqa: ANN401 - as events have it: a dict, or None
    """Of a socket's remote address: None where it is none of the internet's, or there is no peer yet."""
    if not isinstance(address, dict):
        return None
    for family in ("sin", "sin6"):
        host, port = address.get(f"{family}_addr"), address.get(f"{family}_port")
        if host and port:
            return Peer(str(host), int(port))
    return None


def peer_of_socket(pid: int, name: str) -> Peer | None:
    """Of a process's TCP connection, by what its descriptor links to: ``socket:[1234]``; None: it is none, or gone."""
    found = INODE.fullmatch(name)
    if not found:
        return None
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[9] == found[1] and not fields[2].endswith(":0000"):
                    return _peer(fields[2])
    return None


def _peer(text: str) -> Peer:
    """Of ``0100007F:1F90``: words of the address in the machine's order, and the port."""
    host, _, port = text.partition(":")
    words = struct.pack(f"={len(host) // 8}I", *(int(host[i : i + 8], 16) for i in range(0, len(host), 8)))
    family = socket.AF_INET if len(words) == 4 else socket.AF_INET6
    address = ipaddress.ip_address(socket.inet_ntop(family, words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Peer(str(mapped or address), int(port, 16))
