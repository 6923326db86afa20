"""A container speaks to the host's Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature
from tracee.signatures.common.sockets import DOCKER, connects_to

if TYPE_CHECKING:
    from tracee._core import Event


class DockerAbuse(Signature):
    """docker.sock was connected to, or opened for writing, in a container."""

    metadata = Metadata(
        id="TRC-1019",
        name="Docker Abuse",
        event_name="docker_abuse",
        description="A container connected to the socket of the host's Docker. Whoever may speak to it can "
        "start a container that has all of the host's files.",
        severity=Severity.MEDIUM,
        category="privilege-escalation",
        technique_id="T1068",
        technique="Exploitation for Privilege Escalation",
        tags=("linux", "container"),
    )
    selected = (
        Selected("security_socket_connect", "container"),
        Selected("security_file_open", "container", "data.file_name=docker.sock", "data.flags=O_WRONLY,O_RDWR"),
    )

    def on_event(self, event: Event) -> None:
        if event.name == "security_file_open" or connects_to(event, DOCKER):
            self.found(event)
