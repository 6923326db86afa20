"""What detections decide by: credentials, names, arguments."""

from __future__ import annotations

import os
import socket

import pytest

from tracee.signatures.common.connections import Peer, peer_of, peer_of_socket
from tracee.signatures.common.growth import INITIAL_USER_NS, Growth, growth
from tracee.signatures.common.interpreters import is_loader, program_of
from tracee.signatures.common.targets import pid_of_path
from tracee.signatures.default_loader_mod import LOADER
from tracee.signatures.hidden_file_created import is_hidden
from tracee.signatures.scheduled_task_mod import only_asks

ALL = (1 << 41) - 1
IDS = ("uid", "suid", "euid", "fsuid")


def credentials(uid: int, caps: int = 0, user_ns: int = INITIAL_USER_NS, **other: int) -> dict[str, int]:
    return dict.fromkeys(IDS, uid) | {"user_ns": user_ns, "cap_permitted": caps, "cap_effective": caps} | other


USER = credentials(1000)
ROOT = credentials(0, ALL)
SERVICE = credentials(100, caps=1 << 10)


@pytest.mark.parametrize(
    ("old", "new", "grew"),
    [
        (USER, ROOT, Growth.USER),
        (USER, credentials(1000, ALL, euid=0, suid=0, fsuid=0), Growth.EFFECTIVE_USER),
        (USER, credentials(1000, caps=1 << 13), Growth.CAPABILITIES),
        (SERVICE, credentials(100, caps=1 << 10 | 1 << 21), Growth.CAPABILITIES),
        (credentials(1000, ALL, user_ns=4026532000), ROOT, Growth.NAMESPACE),
        (ROOT, USER, None),
        (ROOT, ROOT, None),
        # back to what was saved
        (credentials(1000, suid=0), credentials(1000, ALL, suid=0, euid=0, fsuid=0), None),
        # allowed to set user ids
        (credentials(1000, caps=1 << 7), ROOT, None),
        # a namespace of its own, and what one is in there
        (USER, credentials(1000, ALL, user_ns=4026532000), None),
        (credentials(1000, ALL, user_ns=4026532000), credentials(0, ALL, user_ns=4026532000), None),
        # less, or the same
        (SERVICE, credentials(100), None),
        (USER, credentials(1000, suid=1001), None),
    ],
)
def test_credentials_that_grow(old: dict[str, int], new: dict[str, int], grew: Growth | None) -> None:
    assert growth(old, new) is grew


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/tmp/.x", True),
        ("/home/me/.x/program", True),
        ("/tmp/.cache/program", True),
        ("/dev/shm/.venv/lib/x.so", True),
        ("/home/me/.cache/pip/x.so", False),
        ("/root/.cargo/bin/cargo", False),
        ("/root/.cargo/bin/.cargo", True),
        ("/srv/app/.venv/lib/x.so", False),
        ("/home/me/.cache/.x/program", True),
        ("/usr/lib/x.so.1", False),
        ("/tmp/a.b/c.d", False),
    ],
)
def test_what_is_hidden(path: str, hidden: bool) -> None:
    assert is_hidden(path) is hidden


@pytest.mark.parametrize(
    ("path", "argv", "program"),
    [
        ("/usr/bin/bash", ["bash", "/dev/shm/x", "a"], "/dev/shm/x"),
        ("/usr/bin/bash", ["bash", "-x", "--", "-strange"], "-strange"),
        ("/usr/bin/bash", ["bash", "-c", "/dev/shm/x"], None),
        ("/usr/bin/bash", ["bash", "-ec", "/dev/shm/x"], None),
        ("/usr/bin/python3.11", ["python3", "-W", "error", "/x.py"], "/x.py"),
        ("/usr/bin/python3.11", ["python3", "-m", "json.tool", "/dev/shm/x"], None),
        ("/usr/bin/python3.11", ["python3"], None),
        ("/usr/bin/cat", ["cat", "/dev/shm/x"], None),
        ("/usr/lib64/ld-linux-x86-64.so.2", ["ld.so", "--library-path", "/lib", "/dev/shm/x"], "/dev/shm/x"),
        ("/usr/lib64/ld-linux-x86-64.so.2", ["ld.so", "/dev/shm/x"], "/dev/shm/x"),
    ],
)
def test_what_an_interpreter_runs(path: str, argv: list[str], program: str | None) -> None:
    assert program_of(path, argv) == program


def test_loaders() -> None:
    assert is_loader("/lib/ld-musl-x86_64.so.1")
    assert is_loader("/usr/lib/ld-2.31.so")
    assert not is_loader("/usr/lib/libld.so")
    for path in ("/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld-2.31.so", "/lib/ld-musl-aarch64.so.1"):
        assert LOADER.fullmatch(path), path
    for path in ("/usr/lib/libld.so", "/usr/lib/x/ld-wrapper.txt", "/srv/lib/ld-linux.so.2", "/usr/lib/goldx.so"):
        assert not LOADER.fullmatch(path), path


@pytest.mark.parametrize(
    ("command", "argv", "asks"),
    [
        ("crontab", ["crontab", "-l"], True),
        ("crontab", ["crontab", "-u", "root", "-l"], True),
        ("crontab", ["crontab", "-"], False),
        ("crontab", ["crontab", "file"], False),
        ("crontab", ["crontab", "-e"], False),
        ("crontab", ["crontab", "-r"], False),
        ("at", ["at", "-l"], True),
        ("at", ["at", "now"], False),
        ("batch", ["batch"], False),
    ],
)
def test_commands_that_only_ask(command: str, argv: list[str], asks: bool) -> None:
    assert only_asks(command, argv) is asks


@pytest.mark.parametrize(
    ("path", "pid"),
    [
        ("/proc/12/mem", 12),
        ("/proc/12/task/13/mem", 12),
        ("/mnt/proc/12/mem", 12),
        ("/tmp/mem", None),
        ("/mem", None),
        ("/proc/१२/mem", None),
    ],
)
def test_whose_memory_a_path_names(path: str, pid: int | None) -> None:
    assert pid_of_path(path) == pid


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ({"sa_family": "AF_INET", "sin_addr": "192.0.2.1", "sin_port": 443}, Peer("192.0.2.1", 443)),
        ({"sa_family": "AF_INET6", "sin6_addr": "2001:db8::1", "sin6_port": 1}, Peer("2001:db8::1", 1)),
        ({"sa_family": "AF_INET", "sin_addr": "0.0.0.0", "sin_port": 0}, None),
        ({"sa_family": "AF_UNIX", "sun_path": "/run/x"}, None),
        (None, None),
    ],
)
def test_peers_of_addresses(address: dict[str, object] | None, peer: Peer | None) -> None:
    assert peer_of(address) == peer


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_peer_of_a_descriptor(family: int) -> None:
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        assert peer_of_socket(os.getpid(), os.readlink(f"/proc/self/fd/{server.fileno()}")) is None
        server.listen(1)
        client.connect(server.getsockname())
        host, port = server.getsockname()[:2]
        assert peer_of_socket(os.getpid(), os.readlink(f"/proc/self/fd/{client.fileno()}")) == Peer(host, port)
    assert peer_of_socket(os.getpid(), "pipe:[1]") is None
