"""A container speaks to the Kubernetes API."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signal, SignalKind, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracee._core import Event

VARIABLE = "KUBERNETES_SERVICE_HOST="
CONTAINERS_MAX = 4096
ANCESTORS_MAX = 8
LOOKS_MAX = 64
"""How often a container's processes are looked at before it counts as none of Kubernetes."""


class K8sApiConnection(Signature):
    """A task in a container connected to the API server's address, which the environment of its container tells."""

    metadata = Metadata(
        id="TRC-1013",
        name="Kubernetes API Server Connection",
        event_name="k8s_api_connection",
        description="A task in a container connected to the API server of its cluster.",
        severity=Severity.LOW,
        category="discovery",
        technique_id="T1526",
        technique="Cloud Service Discovery",
        tags=("linux", "container", "kubernetes"),
        fields=(Field("ip", about="of the API server"),),
    )
    selected = (Selected("sched_process_exec", "container"), Selected("security_socket_connect", "container"))

    def __init__(self) -> None:
        self._servers: OrderedDict[str, str] = OrderedDict()
        """Addresses by container, the first that was told: what a process makes of its environment does not count."""
        self._looks: dict[str, int] = {}

    def on_event(self, event: Event) -> None:
        container = event.container.get("id", "")
        if container not in self._servers and self._looks.get(container, 0) < LOOKS_MAX:
            self._learn(container, event)
        if event.name != "security_socket_connect":
            return
        address = event.args["remote_addr"]
        to = normal(str(address.get("sin_addr") or address.get("sin6_addr") or "")) if address else ""
        if to and to == self._servers.get(container):
            self.found(event, ip=to)

    def on_signal(self, signal: Signal) -> None:
        if signal.kind is SignalKind.CONTAINER_GONE:
            self._servers.pop(signal.container_id, None)
            self._looks.pop(signal.container_id, None)

    def _learn(self, container: str, event: Event) -> None:
        """From the environment that an exec was given, or those of the process and its ancestors, the oldest first."""
        server = server_in(event.args.get("env") or ())
        for pid in (*event.ancestors[-ANCESTORS_MAX:], event.host_pid):
            server = server or server_in(environment_of(pid))
        if server:
            self._servers[container] = server
            self._looks.pop(container, None)
            if len(self._servers) > CONTAINERS_MAX:
                self._servers.popitem(last=False)
        else:
            self._looks[container] = self._looks.get(container, 0) + 1


def normal(address: str) -> str:
    """An address in one spelling; IPv4 within IPv6 is IPv4."""
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address.strip("[]"))
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(parsed)
    return ""


def server_in(environment: Iterable[str]) -> str:
    """The address that an environment tells; empty where it tells none."""
    return next((normal(text.removeprefix(VARIABLE)) for text in environment if text.startswith(VARIABLE)), "")


def environment_of(pid: int) -> list[str]:
    """What a process was given when it execed, as far as it is still there."""
    with contextlib.suppress(OSError):
        return os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
    return []
