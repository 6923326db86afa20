"""Whose packets they are: in softirq, of sockets from before the start, inherited, accepted."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Tracee
from network_peers import IN, OUT, Peer, packets, wait_for

FAMILIES = [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")]

SERVER = """
family, address = getattr(socket, sys.argv[1]), sys.argv[2]
server = socket.socket(family)
server.bind((address, 0))
server.listen()
say(server.getsockname()[1])
wait()
peer, _ = server.accept()
peer.sendall(peer.recv(100).upper())
peer.recv(1)
"""
CLIENT = """
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
peer.sendall(b'hello')
peer.recv(100)
peer.close()
"""


@pytest.mark.parametrize(("family", "address"), FAMILIES)
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
def test_each_side_of_a_connection_has_its_packets(tracee: Tracee, family: str, address: str, before: bool) -> None:
    """Over loopback all is handled in the sender's task: packets that come in, and answers of the kernel, too."""
    server = Peer("netserver", SERVER, family, address) if before else None
    port = int(server.said()[0]) if server else 0
    with tracee.run("--events", "net_packet_tcp", "--output", "json") as run:
        if not server:
            server = Peer("netserver", SERVER, family, address)
            port = int(server.said()[0])
        with server, Peer("netclient", CLIENT, address, port) as client:
            server.tell("go")
            client.end()
            server.end()
        events = run.stop()
    told = packets(events, "net_packet_tcp", port)
    assert {(name, direction) for name, direction, _ in told} == {
        (name, direction) for name in ("netserver", "netclient") for direction in (IN, OUT)
    }
    for name, direction, args in told:
        from_client = args["dst_port"] == port
        assert from_client == ((name == "netclient") == (direction == OUT))
        assert {args["src"], args["dst"]} == {address}
    syns = [(name, direction) for name, direction, args in told if args["proto_tcp"]["SYN"]]
    assert syns == [("netclient", OUT), ("netserver", IN), ("netserver", OUT), ("netclient", IN)]


def test_a_scope_takes_its_own_packets_alone(tracee: Tracee) -> None:
    with (
        Peer("netserver", SERVER, *FAMILIES[0]) as server,
        tracee.run("--events", "net_packet_tcp", "--scope", "comm=netclient", "--output", "json") as run,
    ):
        port = int(server.said()[0])
        with Peer("netclient", CLIENT, "127.0.0.1", port) as client:
            server.tell("go")
            client.end()
        server.end()
        events = run.stop()
    told = packets(events, "net_packet_tcp", port)
    assert {name for name, _, _ in told} == {"netclient"}
    assert {direction for _, direction, _ in told} == {IN, OUT}


@pytest.mark.parametrize("scope", ["comm=netserver", "pid={pid}", "tree={pid}", "executable={program}"])
def test_scopes_hold_for_sockets_from_before(tracee: Tracee, scope: str) -> None:
    """From the first packet on that it gets, though it does nothing itself."""
    with Peer("netserver", SERVER, *FAMILIES[0]) as server:
        port = int(server.said()[0])
        scopes = (
            "--scope",
            scope.format(pid=server.pid, program=Path(f"/proc/{server.pid}/exe").readlink()),
            "--scope",
            "comm!=netclient",
        )
        with tracee.run("--events", "net_packet_tcp", *scopes, "--output", "json") as run:
            with Peer("netclient", CLIENT, "127.0.0.1", port) as client:
                wait_for(run, "net_packet_tcp", port, 3)
                server.tell("go")
                client.end()
            server.end()
            events = run.stop()
    told = packets(events, "net_packet_tcp", port)
    assert {name for name, _, _ in told} == {"netserver"}
    syns = [direction for _, direction, args in told if args["proto_tcp"]["SYN"]]
    assert syns == [IN, OUT]


DATAGRAMS = """
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(('127.0.0.1', 0))
say(receiver.getsockname()[1])
if os.fork() == 0:
    name('netchild')
    wait()
    said, sender = receiver.recvfrom(100)
    receiver.sendto(b'back', sender)
    os._exit(0)
os.wait()
"""
SENDER = """
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(b'there', ('127.0.0.1', int(sys.argv[1])))
sender.recv(100)
"""


def test_who_uses_an_inherited_socket_has_its_packets(tracee: Tracee) -> None:
    """What a socket gets before anybody has used it belongs to who made it."""
    with tracee.run("--events", "net_packet_udp", "--output", "json") as run, Peer("netparent", DATAGRAMS) as parent:
        port = int(parent.said()[0])
        with Peer("netsender", SENDER, port) as sender:
            wait_for(run, "net_packet_udp", port, 2)
            parent.tell("go")
            sender.end()
            parent.end()
        told = packets(run.stop(), "net_packet_udp", port)
    assert [(name, direction) for name, direction, _ in told] == [
        ("netsender", OUT),
        ("netparent", IN),
        ("netchild", OUT),
        ("netsender", IN),
    ]


WORKERS = """
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
say(server.getsockname()[1])
if os.fork() == 0:
    name('networker')
    peer, _ = server.accept()
    say('accepted')
    peer.recv(1)
    peer.sendall(b'a')
    peer.recv(1)
    os._exit(0)
os.wait()
"""
ASKING = """
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
wait()
peer.sendall(b'x')
peer.recv(1)
peer.sendall(b'y')
peer.close()
"""


def test_a_worker_has_the_packets_of_what_it_has_accepted(tracee: Tracee) -> None:
    """What comes before it has read or written belongs to who listens."""
    with tracee.run("--events", "net_packet_tcp", "--output", "json") as run, Peer("netmaster", WORKERS) as master:
        port = int(master.said()[0])
        with Peer("netclient", ASKING, port) as client:
            assert master.said() == ["accepted"]
            client.tell("go")
            client.end()
            master.end()
        told = packets(run.stop(), "net_packet_tcp", port)
    data = [(name, direction) for name, direction, args in told if name != "netclient" and args["proto_tcp"]["PSH"]]
    assert data == [("netmaster", IN), ("networker", OUT), ("networker", IN)]
