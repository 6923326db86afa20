"""TCP connections from their beginning to their end, and names of addresses."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import pytest
from conftest import JsonEvent, Tracee, wait_until
from kernel_events import values
from network_peers import Peer

FLOWS = "net_flow_tcp_begin,net_flow_tcp_end"


def of_port(events: list[JsonEvent], port: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Of the flows to a port: which event, whose, and the arguments."""
    found = [(e["eventName"], e["processName"], values(e)) for e in events if e["eventName"].startswith("net_flow")]
    return [one for one in found if port in (one[2]["src_port"], one[2]["dst_port"])]


EXCHANGE = """
server = socket.socket(getattr(socket, sys.argv[1]))
server.bind((sys.argv[2], 0))
server.listen()
if os.fork() == 0:
    name('netclient')
    peer = socket.create_connection(server.getsockname()[:2])
    peer.sendall(b'12345')
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(4096):
        pass
    os._exit(0)
peer, _ = server.accept()
peer.sendall(bytes(100000))
peer.recv(100)
peer.recv(100)
peer.close()
os.wait()
say(server.getsockname()[1])
"""


@pytest.mark.parametrize(("family", "address"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
def test_a_connection_from_both_sides(tracee: Tracee, family: str, address: str) -> None:
    """It lasts a millisecond or two."""
    with tracee.run("--events", FLOWS, "--output", "json") as run, Peer("netserver", EXCHANGE, family, address) as both:
        port = int(both.said()[0])
        both.end()
        told = of_port(run.stop(), port)
    assert sorted((event, name) for event, name, _ in told) == [
        ("net_flow_tcp_begin", "netclient"),
        ("net_flow_tcp_begin", "netserver"),
        ("net_flow_tcp_end", "netclient"),
        ("net_flow_tcp_end", "netserver"),
    ]
    for event, name, args in told:
        assert args["conn_direction"] == ("outgoing" if name == "netclient" else "incoming")
        assert (args["src"], args["dst"], args["dst_port"]) == (address, address, port)
        if event == "net_flow_tcp_end":
            sent, received = (5, 100000) if name == "netclient" else (100000, 5)
            assert (args["bytes_sent"], args["bytes_received"], args["reason"]) == (sent, received, "closed")
            assert 0 < args["duration"] < 60e9
            assert args["packets_sent"] > 2 and args["packets_received"] > 2


RESET = """
import struct
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
peer.close()
"""


def test_a_reset_is_told_on_both_sides(tracee: Tracee) -> None:
    with tracee.run("--events", FLOWS, "--output", "json") as run, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Peer("netclient", RESET, port) as client:
            accepted, _ = server.accept()
            client.end()
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)
        told = of_port(run.stop(), port)
    ends = [(name == "netclient", args["reason"]) for event, name, args in told if event == "net_flow_tcp_end"]
    assert sorted(ends) == [(False, "reset"), (True, "aborted")]


def test_a_connection_that_was_never_made_has_no_flow(tracee: Tracee) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with tracee.run("--events", FLOWS + ",net_tcp_connect", "--output", "json") as run:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            events = run.stop()
    assert not of_port(events, port)
    asked = [values(e) for e in events if e["eventName"] == "net_tcp_connect"]
    assert [(args["dst"], args["dst_port"]) for args in asked if args["dst_port"] == port] == [("127.0.0.1", port)]


def test_a_connection_from_before_ends_with_all_its_bytes(tracee: Tracee) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        client.sendall(b"before")
        with tracee.run("--events", FLOWS, "--output", "json") as run:
            client.close()
            accepted.recv(100)
            accepted.recv(100)
            accepted.close()
            told = of_port(run.stop(), port)
    ends = {args["bytes_sent"]: args for event, _, args in told if event == "net_flow_tcp_end"}
    assert ends.keys() == {6, 0}
    assert all(args["duration"] is None and args["conn_direction"] is None for args in ends.values())
    assert ends[0]["bytes_received"] == 6


def answer(query: bytes, address: str) -> bytes:
    """An answer of DNS to a question for the address of a name."""
    end = query.index(b"\0", 12) + 5
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + record


RESOLVE = """
import struct
query = struct.pack('>6H', 7, 0x100, 1, 0, 0, 0) + b'\\x04shop\\x07example\\0' + struct.pack('>2H', 1, 1)
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.sendto(query, ('127.0.0.1', 5353))
asker.recv(500)
peer = socket.create_connection(('127.0.0.7', int(sys.argv[1])))
"""


def test_names_that_addresses_were_asked_for_by(tracee: Tracee) -> None:
    """The question is asked by another than the policy is about."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names,
        socket.create_server(("127.0.0.7", 0)) as server,
    ):
        names.bind(("127.0.0.1", 5353))
        port = server.getsockname()[1]

        def resolver() -> None:
            query, asker = names.recvfrom(500)
            names.sendto(answer(query, "127.0.0.7"), asker)

        threading.Thread(target=resolver).start()
        with tracee.run("--events", FLOWS + ",net_tcp_connect", "--output", "json") as run:
            with Peer("netclient", RESOLVE, port) as client:
                client.end()
            wait_until(lambda: "net_flow_tcp_end" in run.stdout, "the end of the connection")
            events = run.stop()
    begun = [args for event, _, args in of_port(events, port) if event == "net_flow_tcp_begin"]
    assert begun and all(args["dst_dns"] == ["shop.example"] for args in begun)
    asked = [values(e) for e in events if e["eventName"] == "net_tcp_connect"]
    assert [args["dst_dns"] for args in asked if args["dst_port"] == port] == [["shop.example"]]
