"""Sockets, in a network of their own."""

from __future__ import annotations

import os
import socket
import struct

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import CALL, INT80, RINGS, THREAD, Expected, deed, ring_deed
from tracee.doctor.proof.ring import Ring

ACCEPT, CONNECT, SOCKET, COMMAND, BIND, LISTEN = 13, 16, 45, 46, 56, 57
"""Operations of an io_uring."""
STREAM, INET, LOCAL = 1, 2, 1
HERE = "127.0.0.1"
MULTIPLEXED = {
    "socket": 1,
    "bind": 2,
    "connect": 3,
    "listen": 4,
    "accept": 5,
    "socketpair": 8,
    "setsockopt": 14,
    "accept4": 18,
}
"""What ``socketcall`` calls them."""


def _address(port: int = 0) -> bytes:
    return struct.pack("=H", INET) + struct.pack("!H4s8x", port, socket.inet_aton(HERE))


def _server(*, listening: bool = True) -> tuple[int, int]:
    """A socket's descriptor and port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((HERE, 0))
    if listening:
        server.listen(3)
    port: int = server.getsockname()[1]
    return server.detach(), port


def _client(port: int) -> None:
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect((HERE, port))
    client.detach()


def _by_socketcall(call: Caller, name: str, *arguments: int) -> int:
    return call("socketcall", MULTIPLEXED[name], call.words(*arguments))


# ---- made ----

CREATE = "security_socket_create"
MADE: Expected = {"family": INET, "type": STREAM, "protocol": 6, "kern": 0}
TCP = 6


@deed(CREATE, alone=True)
def socket_(place: Place, call: Caller) -> Expected:
    call("socket", INET, STREAM, TCP)
    return MADE


@deed(CREATE, by=[INT80], alone=True)
def socketcall_socket(place: Place, call: Caller) -> Expected:
    _by_socketcall(call, "socket", INET, STREAM, TCP)
    return MADE


@deed(CREATE, alone=True)
def socketpair(place: Place, call: Caller) -> Expected:
    call("socketpair", LOCAL, STREAM, 0, call.room(8))
    return {"family": LOCAL, "type": STREAM, "protocol": 0}


@deed(CREATE, by=[INT80], alone=True)
def socketcall_socketpair(place: Place, call: Caller) -> Expected:
    _by_socketcall(call, "socketpair", LOCAL, STREAM, 0, call.room(8))
    return {"family": LOCAL, "type": STREAM, "protocol": 0}


@ring_deed(CREATE, by=RINGS, alone=True)
def socket__(place: Place, ring: Ring) -> Expected:
    ring(SOCKET, INET, length=TCP, offset=STREAM)
    return MADE


@deed(CREATE, misses="sockets that could not be made", alone=True)
def socket_of_no_protocol(place: Place, call: Caller) -> Expected:
    protocol = 250
    call.refused("socket", INET, STREAM, protocol)
    return {"family": INET, "type": STREAM, "protocol": protocol}


# ---- given an address ----

BOUND = "security_socket_bind"


def _bound(fd: int, port: int) -> Expected:
    return {"sockfd": fd, "local_addr": {"sin_addr": HERE, "sin_port": port}, "local_port": port}


@deed(BOUND, alone=True)
def bind(place: Place, call: Caller) -> Expected:
    fd = call("socket", INET, STREAM, 0)
    call("bind", fd, _address(4321), 16)
    return _bound(fd, 4321)


@deed(BOUND, by=[INT80], alone=True)
def socketcall_bind(place: Place, call: Caller) -> Expected:
    fd = _by_socketcall(call, "socket", INET, STREAM, 0)
    _by_socketcall(call, "bind", fd, call.keep(_address(4321)), 16)
    return _bound(fd, 4321)


@ring_deed(BOUND, by=RINGS, alone=True)
def bind_(place: Place, ring: Ring) -> Expected:
    fd = ring.call("socket", INET, STREAM, 0)
    ring(BIND, fd, ring.call.keep(_address(4321)), offset=16)
    return _bound(fd, 4321)


# ---- listening, accepting ----

LISTENING = "security_socket_listen"
ACCEPTING = "security_socket_accept"


def _listening(fd: int, port: int) -> Expected:
    return {"sockfd": fd, "local_addr": {"sin_addr": HERE, "sin_port": port}, "local_port": port}


@deed(LISTENING, alone=True)
def listen(place: Place, call: Caller) -> Expected:
    fd, port = _server(listening=False)
    call("listen", fd, 7)
    return {**_listening(fd, port), "backlog": 7}


@deed(LISTENING, by=[INT80], alone=True)
def socketcall_listen(place: Place, call: Caller) -> Expected:
    fd, port = _server(listening=False)
    _by_socketcall(call, "listen", fd, 7)
    return {**_listening(fd, port), "backlog": 7}


@ring_deed(LISTENING, by=RINGS, alone=True)
def listen_(place: Place, ring: Ring) -> Expected:
    fd, port = _server(listening=False)
    ring(LISTEN, fd, length=7)
    return {**_listening(fd, port), "backlog": 7}


@deed(ACCEPTING, by=[CALL, THREAD], alone=True)
def accept(place: Place, call: Caller) -> Expected:
    fd, port = _server()
    _client(port)
    call("accept", fd, None, None)
    return _listening(fd, port)


@deed(ACCEPTING, alone=True)
def accept4(place: Place, call: Caller) -> Expected:
    fd, port = _server()
    _client(port)
    call("accept4", fd, None, None, 0)
    return _listening(fd, port)


@deed(ACCEPTING, by=[INT80], alone=True)
def socketcall_accept(place: Place, call: Caller) -> Expected:
    fd, port = _server()
    _client(port)
    _by_socketcall(call, "accept", fd, 0, 0)
    return _listening(fd, port)


@deed(ACCEPTING, by=[INT80], alone=True)
def socketcall_accept4(place: Place, call: Caller) -> Expected:
    fd, port = _server()
    _client(port)
    _by_socketcall(call, "accept4", fd, 0, 0, 0)
    return _listening(fd, port)


@ring_deed(ACCEPTING, by=RINGS, alone=True)
def accept_(place: Place, ring: Ring) -> Expected:
    fd, port = _server()
    _client(port)
    ring(ACCEPT, fd)
    return _listening(fd, port)


# ---- connected ----

CONNECTED = "security_socket_connect"


def _connected(fd: int, port: int) -> Expected:
    return {"sockfd": fd, "type": STREAM, "remote_addr": {"sin_addr": HERE, "sin_port": port}, "remote_port": port}


@deed(CONNECTED, alone=True)
def connect(place: Place, call: Caller) -> Expected:
    _, port = _server()
    fd = call("socket", INET, STREAM, 0)
    call("connect", fd, _address(port), 16)
    return _connected(fd, port)


@deed(CONNECTED, alone=True)
def connect_that_is_refused(place: Place, call: Caller) -> Expected:
    fd = call("socket", INET, STREAM, 0)
    call.refused("connect", fd, _address(9), 16)
    return _connected(fd, 9)


@deed(CONNECTED, alone=True)
def connect_to_a_name(place: Place, call: Caller) -> Expected:
    path = "socket"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen(1)
    address = struct.pack("=H", LOCAL) + path.encode() + b"\0"
    fd = call("socket", LOCAL, STREAM, 0)
    call("connect", fd, address, len(address))
    return {"sockfd": fd, "remote_addr": {"sun_path": path}}


@deed(CONNECTED, by=[INT80], alone=True)
def socketcall_connect(place: Place, call: Caller) -> Expected:
    _, port = _server()
    fd = _by_socketcall(call, "socket", INET, STREAM, 0)
    _by_socketcall(call, "connect", fd, call.keep(_address(port)), 16)
    return _connected(fd, port)


@ring_deed(CONNECTED, by=RINGS, alone=True)
def connect_(place: Place, ring: Ring) -> Expected:
    _, port = _server()
    fd = ring.call("socket", INET, STREAM, 0)
    ring(CONNECT, fd, ring.call.keep(_address(port)), offset=16)
    return _connected(fd, port)


@deed(CONNECTED, misses="MSG_FASTOPEN", alone=True)
def sendto_fast_open(place: Place, call: Caller) -> Expected:
    """The first bytes make the connection."""
    _, port = _server()
    fast_open = 0x20000000
    fd = call("socket", INET, STREAM, 0)
    call("sendto", fd, b"proof", 5, fast_open, _address(port), 16)
    return _connected(fd, port)


# ---- options ----

OPTION = "security_socket_setsockopt"
SET: Expected = {"level": socket.SOL_SOCKET, "optname": socket.SO_REUSEADDR}


@deed(OPTION, alone=True)
def setsockopt(place: Place, call: Caller) -> Expected:
    fd = call("socket", INET, STREAM, 0)
    call("setsockopt", fd, socket.SOL_SOCKET, socket.SO_REUSEADDR, struct.pack("=i", 1), 4)
    return {"sockfd": fd, **SET}


@deed(OPTION, by=[INT80], alone=True)
def socketcall_setsockopt(place: Place, call: Caller) -> Expected:
    fd = _by_socketcall(call, "socket", INET, STREAM, 0)
    at = call.keep(struct.pack("=i", 1))
    _by_socketcall(call, "setsockopt", fd, socket.SOL_SOCKET, socket.SO_REUSEADDR, at, 4)
    return {"sockfd": fd, **SET}


@ring_deed(OPTION, by=RINGS, alone=True)
def setsockopt_(place: Place, ring: Ring) -> Expected:
    command_of_sockets = 3
    fd = ring.call("socket", INET, STREAM, 0)
    value = ring.call.keep(struct.pack("=i", 1))
    level_and_name = socket.SOL_SOCKET | socket.SO_REUSEADDR << 32
    ring(COMMAND, fd, level_and_name, offset=command_of_sockets, second_fd=4, third_address=value)
    return {"sockfd": fd, **SET}


# ---- duplicated ----

DUPLICATED = "socket_dup"


def _connected_pair() -> tuple[int, int]:
    """A connected socket's descriptor, and its peer's port."""
    _, port = _server()
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect((HERE, port))
    return client.detach(), port


def _duplicated(old: int, new: int, port: int) -> Expected:
    return {"oldfd": old, "newfd": new, "remote_addr": {"sin_addr": HERE, "sin_port": port}, "remote_port": port}


@deed(DUPLICATED, alone=True)
def dup(place: Place, call: Caller) -> Expected:
    fd, port = _connected_pair()
    return _duplicated(fd, call("dup", fd), port)


@deed(DUPLICATED, alone=True)
def dup2(place: Place, call: Caller) -> Expected:
    fd, port = _connected_pair()
    call("dup2", fd, 100)
    return _duplicated(fd, 100, port)


@deed(DUPLICATED, alone=True)
def dup3(place: Place, call: Caller) -> Expected:
    fd, port = _connected_pair()
    call("dup3", fd, 100, 0)
    return _duplicated(fd, 100, port)


@deed(DUPLICATED, alone=True)
def fcntl(place: Place, call: Caller) -> Expected:
    fd, port = _connected_pair()
    duplicate_above = 0
    return _duplicated(fd, call("fcntl", fd, duplicate_above, 50), port)


@deed(DUPLICATED, by=[INT80], alone=True)
def fcntl64(place: Place, call: Caller) -> Expected:
    fd, port = _connected_pair()
    duplicate_above = 0
    return _duplicated(fd, call("fcntl64", fd, duplicate_above, 50), port)


@deed(DUPLICATED, by=[CALL], misses="pidfd_getfd", alone=True)
def pidfd_getfd(place: Place, call: Caller) -> Expected:
    fd, port = _connected_pair()
    return _duplicated(fd, call("pidfd_getfd", call("pidfd_open", os.getpid(), 0), fd, 0), port)
