"""A program's standard input or output is a connection: a shell for somebody elsewhere."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.connections import Peer, peer_of, peer_of_socket
from tracee.signatures.common.programs import runs_installed
from tracee.signatures.common.shells import is_shell

if TYPE_CHECKING:
    from tracee._core import Event

STANDARD = "0,1,2"
SERVERS = frozenset(("inetd", "sshd", "tcpserver", "xinetd"))
"""Programs that start others for connections, as their standard input and output: that is what they are for."""
SERVICE_MANAGERS = frozenset(("/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-executor", "/lib/systemd/systemd"))
NAME_SERVICE = 53


class StdioOverSocket(Signature):
    """Descriptor 0, 1 or 2 becomes a TCP connection, by dup and its kin, connect or accept; or a shell begins so."""

    metadata = Metadata(
        id="TRC-101",
        name="Process Standard Input/Output Over Socket",
        event_name="stdio_over_socket",
        description="The standard input, output or error of a process became a connection to another machine. Reverse "
        "shells work so.",
        severity=Severity.HIGH,
        category="execution",
        technique_id="T1059.004",
        technique="Unix Shell",
        tags=("linux", "container"),
        fields=(
            Field("ip_address", about="of the other end"),
            Field("port", "int", "of the other end"),
            Field("file_descriptor", "int", "0, 1 or 2"),
        ),
    )
    selected = (
        Selected("socket_dup", f"data.newfd={STANDARD}"),
        Selected("security_socket_connect", f"data.sockfd={STANDARD}"),
        Selected("accept", f"retval={STANDARD}"),
        Selected("accept4", f"retval={STANDARD}"),
        # by whatever way: inherited, or got from another process
        Selected("sched_process_exec", "data.stdin_type=S_IFSOCK"),
    )

    def on_event(self, event: Event) -> None:
        if runs_installed(event, SERVERS) or event.executable in SERVICE_MANAGERS:
            return
        descriptor, peer = self._connection(event)
        if peer is not None:
            self.found(event, ip_address=peer.address, port=peer.port, file_descriptor=descriptor)

    def _connection(self, event: Event) -> tuple[int, Peer | None]:
        args = event.args
        match event.name:
            case "socket_dup":
                return int(args["newfd"]), peer_of(args["remote_addr"])
            case "security_socket_connect":
                peer = peer_of(args["remote_addr"])
                # what has closed its standard input gets that number for the socket by which it asks for names
                asks = peer is not None and peer.port == NAME_SERVICE and args["type"] == socket.SOCK_DGRAM
                return int(args["sockfd"]), None if asks else peer
            case "sched_process_exec":
                return 0, self._inherited(event)
        return int(event.return_value), peer_of(args["addr"]) or _peer_of_descriptor(event)

    def _inherited(self, event: Event) -> Peer | None:
        """Of a shell's standard input; of other programs it is their own affair."""
        if not is_shell(event, self.ctx):
            return None
        return peer_of_socket(event.host_pid, str(event.args["stdin_path"] or ""))


def _peer_of_descriptor(event: Event) -> Peer | None:
    """Where accept was asked for no address."""
    with contextlib.suppress(OSError):
        name = os.readlink(f"/proc/{event.host_pid}/fd/{event.return_value}")
        return peer_of_socket(event.host_pid, name)
    return None
