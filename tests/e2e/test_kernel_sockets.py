"""Sockets made, named, connected and listened on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import watch

EVENTS = [f"security_socket_{what}" for what in ("create", "bind", "listen", "connect", "accept", "setsockopt")]

INET = """
import socket
family, address = (socket.AF_INET, '127.0.0.1') if sys.argv[1] == '4' else (socket.AF_INET6, '::1')
server = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, 0))
server.listen(7)
port = server.getsockname()[1]
client = socket.socket(family, socket.SOCK_STREAM)
client.connect((address, port))
server.accept()
print(port, server.fileno(), client.fileno(), file=open(sys.argv[2], 'w'))
"""


@pytest.mark.parametrize("version", [4, 6])
def test_inet(tracee: Tracee, tmp_path: Path, version: int) -> None:
    seen = watch(tracee, EVENTS, INET, str(version), tmp_path / "said")
    port, server, client = map(int, (tmp_path / "said").read_text().split())
    key, host = ("sin", "127.0.0.1") if version == 4 else ("sin6", "::1")
    family = socket.AF_INET if version == 4 else socket.AF_INET6

    def address(event: dict[str, object], name: str) -> tuple[object, object]:
        value = event[name]
        assert isinstance(value, dict)
        return value[f"{key}_addr"], value[f"{key}_port"]

    created = [(e["family"], e["type"], e["protocol"], e["kern"]) for e in seen.of("security_socket_create")]
    assert created == [(family, socket.SOCK_STREAM, 0, 0)] * 2
    (bound,) = seen.of("security_socket_bind")
    assert (bound["sockfd"], address(bound, "local_addr"), bound["local_port"]) == (server, (host, 0), 0)
    (listens,) = seen.of("security_socket_listen")
    assert address(listens, "local_addr") == (host, port)
    assert (listens["sockfd"], listens["backlog"], listens["local_port"]) == (server, 7, port)
    (connects,) = seen.of("security_socket_connect")
    assert address(connects, "remote_addr") == (host, port)
    assert (connects["sockfd"], connects["type"], connects["remote_port"]) == (client, socket.SOCK_STREAM, port)
    (accepts,) = seen.of("security_socket_accept")
    assert (accepts["sockfd"], address(accepts, "local_addr"), accepts["local_port"]) == (server, (host, port), port)
    (option,) = seen.of("security_socket_setsockopt")
    assert (option["level"], option["optname"]) == (socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert option["sockfd"] == server


UNIX = """
import socket
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.bind(sys.argv[1])
server.listen()
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])
server.accept()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(b'\\0hidden\\0name')
try: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect('/absent')
except OSError: pass
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
netlink.bind((0, 0))
"""


def test_unix_and_netlink(tracee: Tracee, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    seen = watch(tracee, EVENTS, UNIX, path)
    paths = [e["local_addr"].get("sun_path") for e in seen.of("security_socket_bind")]
    assert paths == [path, "@hidden\x00name", None]
    assert seen.of("security_socket_bind")[2]["local_addr"]["sa_family"] == "AF_NETLINK"
    connects = seen.of("security_socket_connect")
    assert [e["remote_addr"]["sun_path"] for e in connects] == [path, "/absent"]
    assert [e["remote_port"] for e in connects] == [None, None]
    assert [e["local_addr"]["sun_path"] for e in seen.of("security_socket_accept")] == [path]


FILTERED = """
import socket
for host, port in (('127.0.0.1', 9), ('127.1.2.3', 9), ('127.0.0.1', 10)):
    try: socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect((host, port))
    except OSError: pass
"""


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["data.remote_addr=127.0.0.1"], 2),
        (["data.remote_addr=127.1.0.0/16"], 1),
        (["data.remote_addr!=127.1.0.0/16"], 2),
        (["data.remote_addr=127.0.0.0/8", "data.remote_port=9"], 2),
        (["data.remote_port>9"], 1),
    ],
)
def test_filters_on_addresses(tracee: Tracee, filters: list[str], count: int) -> None:
    flags = [word for text in filters for word in ("--filter", text)]
    seen = watch(tracee, ["security_socket_connect"], FILTERED, flags=flags)
    assert len(seen.of("security_socket_connect")) == count


DUPLICATES = """
import fcntl, socket
server = socket.socket(socket.AF_INET6 if sys.argv[1] == '6' else socket.AF_INET)
server.bind(('::1' if sys.argv[1] == '6' else '127.0.0.1', 0))
server.listen(1)
client = socket.socket(server.family)
client.connect(server.getsockname())
fd = client.fileno()
open('said', 'w').write(f'{server.getsockname()[1]} {fd}')
os.dup2(fd, 0)
os.dup2(fd, 71, inheritable=False)
fcntl.fcntl(fd, fcntl.F_DUPFD, 80)
fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 90)
fcntl.fcntl(fd, fcntl.F_GETFD)
os.dup2(fd, fd)
os.dup2(os.open('said', os.O_RDONLY), 72)
pair, accepted = socket.socketpair(), server.accept()
os.dup2(pair[0].fileno(), 73)
os.dup2(accepted[0].fileno(), 74)
"""


@pytest.mark.parametrize("version", [4, 6])
def test_duplicates(tracee: Tracee, tmp_path: Path, version: int) -> None:
    told = watch(tracee, ["socket_dup"], DUPLICATES, str(version), cwd=tmp_path).of("socket_dup")
    port, fd = map(int, (tmp_path / "said").read_text().split())
    assert [e["newfd"] for e in told] == [0, 71, 80, 90, 73, 74]
    assert [e["oldfd"] for e in told[:4]] == [fd] * 4
    key, host = ("sin6", "::1") if version == 6 else ("sin", "127.0.0.1")
    for event in told[:4]:
        assert event["remote_addr"][f"{key}_addr"] == host
        assert (event["remote_addr"][f"{key}_port"], event["remote_port"]) == (port, port)
    pair, accepted = told[4:]
    assert pair["remote_addr"]["sa_family"] in ("AF_UNIX", 1)
    assert accepted["remote_addr"][f"{key}_addr"] == host
    assert accepted["remote_port"] not in (0, port)
