"""Packets and connections, in a network of their own."""

from __future__ import annotations

import socket
import struct

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import CannotBeDoneError, Place
from tracee.doctor.proof.registry import Expected, deed, unproven

HERE, HERE6 = "127.0.0.1", "::1"
INET, INET6, STREAM, DATAGRAM, RAW = 2, 10, 1, 2, 3
ICMP, ICMPV6 = 1, 58
DNS = 53
QUESTION = b"\x05proof\x07example\0" + struct.pack("!2H", 1, 1)
REQUEST = b"GET /proof HTTP/1.1\r\nHost: proof.example\r\n\r\n"
RESPONSE = b"HTTP/1.1 204 No Content\r\n\r\n"


def _address(port: int = 0) -> bytes:
    return struct.pack("=H", INET) + struct.pack("!H4s8x", port, socket.inet_aton(HERE))


def _address6(port: int = 0) -> bytes:
    return struct.pack("=H", INET6) + struct.pack("!HI16sI", port, 0, socket.inet_pton(socket.AF_INET6, HERE6), 0)


def _send(call: Caller, fd: int, data: bytes, address: bytes) -> None:
    call("sendto", fd, data, len(data), 0, address, len(address))


def _connected() -> tuple[int, int, int]:
    """Descriptors of both ends of a connection, and the port of the second."""
    with socket.create_server((HERE, 0)) as server:
        port: int = server.getsockname()[1]
        client = socket.create_connection((HERE, port))
        accepted, _ = server.accept()
    return client.detach(), accepted.detach(), port


def _listener() -> tuple[int, int]:
    server = socket.create_server((HERE, 0))
    port: int = server.getsockname()[1]
    return server.detach(), port


# ---- datagrams ----


@deed("net_packet_ipv4", "net_packet_udp", alone=True)
def datagram(place: Place, call: Caller) -> Expected:
    _send(call, call("socket", INET, DATAGRAM, 0), b"proof", _address(4444))
    return {"src": HERE, "dst": HERE, "dst_port": 4444}


@deed("net_packet_ipv6", alone=True)
def datagram_of_ipv6(place: Place, call: Caller) -> Expected:
    if not socket.has_ipv6:
        raise CannotBeDoneError("this machine has no IPv6")
    _send(call, call("socket", INET6, DATAGRAM, 0), b"proof", _address6(4444))
    return {"src": HERE6, "dst": HERE6}


@deed("net_packet_icmp", alone=True)
def echo(place: Place, call: Caller) -> Expected:
    _send(call, call("socket", INET, RAW, ICMP), bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), _address())
    return {"src": HERE, "dst": HERE}


@deed("net_packet_icmpv6", alone=True)
def echo_of_ipv6(place: Place, call: Caller) -> Expected:
    if not socket.has_ipv6:
        raise CannotBeDoneError("this machine has no IPv6")
    _send(call, call("socket", INET6, RAW, ICMPV6), bytes([128, 0, 0, 0, 0, 0, 0, 0]), _address6())
    return {"src": HERE6, "dst": HERE6}


# ---- names ----


@deed("net_packet_dns", alone=True)
def dns_message(place: Place, call: Caller) -> Expected:
    head = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0)
    _send(call, call("socket", INET, DATAGRAM, 0), head + QUESTION, _address(DNS))
    return {"src": HERE, "dst": HERE, "dst_port": DNS}


@deed("net_packet_dns_request", alone=True)
def dns_question(place: Place, call: Caller) -> Expected:
    head = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0)
    _send(call, call("socket", INET, DATAGRAM, 0), head + QUESTION, _address(DNS))
    return {"dns_questions": [{"query": "proof.example", "query_type": "A", "query_class": "IN"}]}


@deed("net_packet_dns_response", alone=True)
def dns_answer(place: Place, call: Caller) -> Expected:
    fd = call("socket", INET, DATAGRAM, 0)
    call("bind", fd, _address(DNS), 16)
    head = struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton("192.0.2.7")
    _send(call, fd, head + QUESTION + record, _address(4444))
    return {"metadata": {"src_port": DNS, "dst_port": 4444}}


# ---- connections ----


@deed("net_tcp_connect", "net_packet_tcp", "net_flow_tcp_begin", alone=True)
def connection(place: Place, call: Caller) -> Expected:
    _, port = _listener()
    call("connect", call("socket", INET, STREAM, 0), _address(port), 16)
    return {"dst": HERE, "dst_port": port}


@deed("net_flow_tcp_end", alone=True)
def abort(place: Place, call: Caller) -> Expected:
    client, _, port = _connected()
    with socket.socket(fileno=client) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ours.detach()
    place.ready()
    call("close", client)
    return {"dst": HERE, "dst_port": port, "reason": "aborted"}


@deed("net_packet_http", alone=True)
def http_message(place: Place, call: Caller) -> Expected:
    client, _, port = _connected()
    place.ready()
    call("write", client, REQUEST, len(REQUEST))
    return {"src": HERE, "dst": HERE, "dst_port": port}


@deed("net_packet_http_request", alone=True)
def http_request(place: Place, call: Caller) -> Expected:
    client, _, port = _connected()
    place.ready()
    call("write", client, REQUEST, len(REQUEST))
    return {"metadata": {"dst_port": port}, "http_request": {"method": "GET", "uri_path": "/proof"}}


@deed("net_packet_http_response", alone=True)
def http_response(place: Place, call: Caller) -> Expected:
    client, accepted, port = _connected()
    with socket.socket(fileno=client) as ours:
        ours.sendall(REQUEST)
        ours.detach()
    place.ready()
    call("write", accepted, RESPONSE, len(RESPONSE))
    return {"metadata": {"src_port": port}, "http_response": {"status_code": 204}}


unproven("its bytes are those of packets that other events tell of", "net_packet_raw")
