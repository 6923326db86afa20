"""Sockets of container runtimes: who may speak to one rules the host."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from tracee.signatures.common.identity import followed, identities, identity, on_host

if TYPE_CHECKING:
    from tracee._core import Event

DOCKER = ("/run/docker.sock", "/var/run/docker.sock")
OTHERS = (
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
)


def connects_to(event: Event, sockets: tuple[str, ...]) -> bool:
    """Whether a security_socket_connect is to one of the host's Unix sockets.

    By the name of the socket, as it was asked for; else, where the process is still there, by the file that the name
    leads to: a link, a bind mount under another name, a path relative to its folder or through /proc.
    """
    address = event.args["remote_addr"]
    path = address.get("sun_path") if isinstance(address, dict) else None
    if not path or path.startswith("@"):
        return False
    if os.path.basename(path) in {os.path.basename(socket) for socket in sockets}:
        return True
    known = _known(sockets, int(time.monotonic()))
    return bool(known) and _asked(event.host_pid, path) in known


@lru_cache(maxsize=8)
def _known(sockets: tuple[str, ...], _second: int) -> set[tuple[int, int]]:
    """Those that are there: looked for once a second, since some containers connect as often as they can."""
    return identities(path for socket in sockets for path in on_host(socket))


def _asked(pid: int, path: str) -> tuple[int, int] | None:
    """The file that a process means by a path."""
    return identity(followed(pid, path)) if path.startswith("/") else identity(f"/proc/{pid}/cwd/{path}")
