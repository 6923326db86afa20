"""Sockets by other ways than plain system calls: io_uring, 32-bit programs; families and calls out of the ordinary."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import JsonEvent, Tracee, wait_until
from kernel_events import ATTACH, Watched, values, watch, watch_program

EVENTS = [f"security_socket_{what}" for what in ("create", "bind", "listen", "connect", "accept", "setsockopt")]


def deed(tracee: Tracee, program: Path) -> tuple[Watched, str]:
    """Runs a compiled program under the name that is watched; what was seen, what it printed."""
    copy, said = tracee.folder / "deed", tracee.folder / "said"
    shutil.copy(program, copy)
    seen = watch_program(tracee, EVENTS, ["/bin/sh", "-c", f"{copy} > {said}"])
    return seen, said.read_text()


def address(value: dict[str, Any]) -> tuple[str, int]:
    """An IPv4 address and its port."""
    return value["sin_addr"], int(value["sin_port"])


def test_io_uring(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    program = compile_c("ring_sockets")
    trial = subprocess.run([program], capture_output=True, text=True, check=False)
    if trial.returncode:
        pytest.skip(f"no io_uring here: {trial.stderr}")
    seen, said = deed(tracee, program)
    for name in EVENTS:
        way = seen.taken_by(name)
        if way.startswith("sys_") and "io_uring" not in way:
            pytest.skip(f"{name} is taken by {way}, which does not see io_uring")
    lines = [(word, int(number)) for word, number in map(str.split, said.splitlines())]
    results = dict(reversed(lines))
    port, server = results["port"], results["server"]
    # where it happens, the descriptor is not known: no call names it
    at_hook = not seen.taken_by("security_socket_connect").startswith("sys_")

    assert len(seen.of("security_socket_create")) == 3
    for name in ("bind", "listen", "accept"):
        events = seen.of(f"security_socket_{name}")
        assert events[-1]["local_addr"]["sin_addr"] == "127.0.0.1"
        assert events[0]["sockfd"] in ((None, server) if at_hook else (server,))
    assert [address(e["local_addr"]) for e in seen.of("security_socket_listen")] == [("127.0.0.1", port)]
    assert [e["backlog"] for e in seen.of("security_socket_listen")] == [5]
    accepts = seen.of("security_socket_accept")
    assert {address(e["local_addr"]) for e in accepts} == {("127.0.0.1", port)}
    assert len(accepts) >= 2 if at_hook else len(accepts) == 2
    assert accepts[-1]["sockfd"] is None  # a file registered with the ring has no descriptor
    connects = seen.of("security_socket_connect")
    assert {(address(e["remote_addr"]), e["remote_port"]) for e in connects} == {(("127.0.0.1", port), port)}
    # where it happens, each attempt is told: the ring tries again when the connection is there
    assert len(connects) >= 2 if at_hook else len(connects) == 2
    assert connects[-1]["sockfd"] is None
    options = [(e["level"], e["optname"]) for e in seen.of("security_socket_setsockopt")]
    assert options == ([(socket.SOL_SOCKET, socket.SO_REUSEADDR)] if results["setsockopt"] == 0 else [])


def test_socketcall_of_32_bits(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    seen, said = deed(tracee, compile_c("socketcall32"))
    if said == "-1\n":
        pytest.skip("this kernel has no 32-bit system calls")
    port, server, client = map(int, said.split())
    here = ("127.0.0.1", port)
    created = [(e["family"], e["type"], e["protocol"]) for e in seen.of("security_socket_create")]
    assert created == [(socket.AF_INET, socket.SOCK_STREAM, 0)] * 2
    (bound,) = seen.of("security_socket_bind")
    assert (bound["sockfd"], address(bound["local_addr"])) == (server, ("127.0.0.1", 0))
    (listens,) = seen.of("security_socket_listen")
    assert (listens["sockfd"], address(listens["local_addr"]), listens["backlog"]) == (server, here, 3)
    (connects,) = seen.of("security_socket_connect")
    assert (connects["sockfd"], address(connects["remote_addr"]), connects["remote_port"]) == (client, here, port)
    (accepts,) = seen.of("security_socket_accept")
    assert (accepts["sockfd"], address(accepts["local_addr"])) == (server, here)


FAMILIES = """
import socket
one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
one.bind((0, 1))
one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
print(one.getsockname()[0], file=open(sys.argv[1], 'w'))
two = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
two.bind(('lo', 0x88b5))
two.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
"""


def test_netlink_and_packet(tracee: Tracee, tmp_path: Path) -> None:
    seen = watch(tracee, EVENTS, FAMILIES, tmp_path / "said")
    netlink, packet = (e["local_addr"] for e in seen.of("security_socket_setsockopt"))
    port = int((tmp_path / "said").read_text())
    assert (netlink["sa_family"], int(netlink["nl_pid"]), int(netlink["nl_groups"])) == ("AF_NETLINK", port, 1)
    if packet.get("sll_ifindex") is not None:  # the kernel may have packet sockets in a module without types
        assert int(packet["sll_ifindex"]) == socket.if_nametoindex("lo")
    assert [e["local_addr"]["sa_family"] for e in seen.of("security_socket_bind")] == ["AF_NETLINK", "AF_PACKET"]
    assert [e["local_port"] for e in seen.of("security_socket_bind")] == [None, None]


VSOCK = """
import socket
try: server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
except OSError: sys.exit()
server.bind((socket.VMADDR_CID_ANY, 0x7fffff01))
server.listen()
"""


def test_vsock(tracee: Tracee) -> None:
    seen = watch(tracee, EVENTS, VSOCK)
    if not seen.of("security_socket_listen"):
        pytest.skip("no vsock here")
    for name in ("security_socket_bind", "security_socket_listen"):
        (event,) = seen.of(name)
        assert event["local_addr"]["sa_family"] == "AF_VSOCK"
        if "svm_port" in event["local_addr"]:
            assert int(event["local_addr"]["svm_port"]) == 0x7FFFFF01


REFUSED = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.setblocking(False)
client.connect_ex(('127.0.0.1', 1))
closed = os.dup(client.fileno())
os.close(closed)
libc = __import__('ctypes').CDLL(None)
libc.connect(closed, b'\\2\\0\\0\\1\\x7f\\0\\0\\1' + bytes(8), 16)
plain = os.open('/dev/null', os.O_RDONLY)
libc.connect(plain, b'\\2\\0\\0\\1\\x7f\\0\\0\\1' + bytes(8), 16)
libc.connect(client.fileno(), None, 16)
libc.bind(client.fileno(), None, 16)
"""


def test_what_fails_is_told_and_what_is_no_socket_is_not(tracee: Tracee) -> None:
    seen = watch(tracee, EVENTS, REFUSED)
    (connects,) = seen.of("security_socket_connect")
    assert address(connects["remote_addr"]) == ("127.0.0.1", 1)
    assert seen.of("security_socket_bind") == []


WAITING = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(('127.0.0.1', 0))
server.listen()
print(server.getsockname()[1], flush=True)
server.accept()
"""


def test_accept_is_told_before_a_peer_comes(tracee: Tracee) -> None:
    program = tracee.folder / "waiter"
    shutil.copy(Path("/proc/self/exe").resolve(), program)
    command = ["--events", "security_socket_accept", "--scope", "comm=waiter", "--output", "json", "--attach", ATTACH]
    with tracee.run(*command) as run:
        waiter = subprocess.Popen([program, "-I", "-S", "-c", WAITING], stdout=subprocess.PIPE, text=True)
        assert waiter.stdout
        port = int(waiter.stdout.readline())

        def told() -> list[JsonEvent]:
            return [e for e in run.events_so_far() if e["eventName"] == "security_socket_accept"]

        wait_until(lambda: bool(told()), "accept, which still waits")
        assert waiter.poll() is None
        assert values(told()[0])["local_port"] == port
        socket.create_connection(("127.0.0.1", port)).close()
        assert waiter.wait(30) == 0


INET6 = """
import socket
for host in ('2001:db8::7', '2001:db9::7', '::ffff:127.9.9.9'):
    try: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect((host, 9))
    except OSError: pass
"""


@pytest.mark.parametrize(("filter_", "count"), [("=2001:db8::/32", 1), ("!=2001:db8::/32", 2), ("=127.0.0.0/8", 1)])
def test_filters_on_ipv6_networks(tracee: Tracee, filter_: str, count: int) -> None:
    seen = watch(tracee, EVENTS[3:4], INET6, flags=["--filter", f"data.remote_addr{filter_}"])
    assert len(seen.of("security_socket_connect")) == count
