"""The socket of the host's Docker, connected to from a container by whatever name; and other sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Tracee
from deeds import Deed, expected, told
from programs import calls32

DOCKER = Path("/run/docker.sock")


@pytest.fixture
def docker() -> Iterator[str]:
    """Something that listens where Docker does."""
    if DOCKER.exists():
        yield str(DOCKER)
        return
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(DOCKER))
        listener.listen(64)
        try:
            yield str(DOCKER)
        finally:
            DOCKER.unlink()


def test_docker_abuse(tracee: Tracee, docker: str, compile_c: Callable[..., Path]) -> None:
    before = f"work, docker = sys.argv[1], {docker!r}\nhidden = work + '/innocent'\n"
    listen = "listener = socket.socket(socket.AF_UNIX)\nlistener.bind({0})\nlistener.listen()\nconnect({0})\n"
    narrow = calls32(compile_c)
    deeds = [
        Deed("on the host", f"{before}connect(docker)", found=False, inside=False),
        Deed("another socket", before + listen.format("hidden") + "hold()", found=False),
        Deed("a longer name", before + listen.format("work + '/docker.sock.old'"), found=False),
        Deed("an abstract name", before + listen.format("'\\0' + work + '/docker.sock'"), found=False),
        Deed("looked at", f"{before}os.stat(docker)\nos.open(docker, os.O_PATH)", found=False),
        Deed("plain", f"{before}connect(docker)"),
        Deed("moved into the container", before + listen.format("work + '/docker.sock'")),
        Deed("relative", f"{before}os.chdir(os.path.dirname(docker))\nconnect('docker.sock')"),
        Deed("by a link", f"{before}os.symlink(docker, hidden)\nconnect(hidden)\nhold()"),
        Deed("by links", f"{before}os.symlink(docker, work + '/a')\nos.symlink('a', hidden)\nconnect(hidden)\nhold()"),
        Deed("by a hidden relative link", f"{before}os.chdir(work)\nos.symlink(docker, 'x')\nconnect('x')\nhold()"),
        Deed("under another name", f"{before}unshare('mnt')\nbind(docker, hidden)\nconnect(hidden)\nhold()"),
        Deed("by /proc", f"{before}fd = os.open(docker, os.O_PATH)\nconnect(f'/proc/self/fd/{{fd}}')\nhold()"),
        Deed("in a thread", f"{before}in_thread(lambda: connect(docker))"),
    ]  # fmt: skip
    if narrow:
        address = "'0100' + (docker + '\\0').encode().hex()"
        words = f"[{narrow!r}, '359,1,1,0', '362,3,=' + {address} + f',{{len(docker) + 3}}']"
        deeds.append(Deed("by a 32-bit call", f"{before}os.execv({narrow!r}, {words})"))
    deeds.append(Deed("at last", f"{before}connect(docker)"))
    found, findings = told(tracee, "docker_abuse", deeds)
    assert found == expected(deeds)
    assert {finding["triggeredBy"]["eventName"] for finding in findings} == {"security_socket_connect"}
