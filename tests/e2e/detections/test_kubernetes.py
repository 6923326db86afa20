"""What Kubernetes keeps from pods, and pods from each other."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Tracee
from deeds import Deed, expected, told

INSTALLED = Path("/usr/local/bin")


@contextmanager
def installed(name: str) -> Iterator[str]:
    """A program of that name where programs are installed; it runs Python."""
    program = INSTALLED / name
    if program.exists():
        pytest.skip(f"this host has {program}, which is not ours to replace")
    shutil.copy(os.path.realpath(sys.executable), program)
    try:
        yield str(program)
    finally:
        program.unlink()


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], str]:
    """Makes a copy of Python by any name."""
    return lambda name: str(shutil.copy(os.path.realpath(sys.executable), tmp_path / name))


TOKEN = """
unshare('mnt')
os.makedirs('/run/secrets', exist_ok=True)
mount('tmpfs', '/run/secrets', 'tmpfs')
account = '/run/secrets/kubernetes.io/serviceaccount'
os.makedirs(account + '/..2026_12_01')
os.symlink('..2026_12_01', account + '/..data')
os.symlink('..data/token', account + '/token')
open(account + '/..data/token', 'w').close()
token, work = account + '/token', sys.argv[1]
"""


def test_k8s_service_account_token(tracee: Tracee, copied: Callable[[str], str]) -> None:
    with installed("kubectl") as kubectl:
        deeds = [
            Deed("on the host", f"{TOKEN}os.open(token, 0)", found=False, inside=False),
            Deed("by whom it is for", f"{TOKEN}os.open(token, 0)", found=False, program=kubectl),
            Deed("its metadata", f"{TOKEN}os.stat(token)\nos.listdir(account)", found=False),
            Deed("another token", f"{TOKEN}p = work + '/token'\nopen(p, 'w+').close()\nopen(p)\nhold()", found=False),
            Deed("plain", f"{TOKEN}os.open(token, 0)"),
            Deed("by who only says so", f"{TOKEN}libc.prctl(15, b'kubectl')\nos.open(token, 0)"),
            Deed("by a copy elsewhere", f"{TOKEN}os.open(token, 0)", program=copied("kubectl")),
            Deed("relative", f"{TOKEN}os.chdir(account)\nos.open('./token', 0)"),
            Deed("by a link", f"{TOKEN}os.symlink(token, work + '/x')\nos.open(work + '/x', 0)"),
            Deed("by /proc", f"{TOKEN}os.open('/proc/self/root' + token, 0)"),
            Deed("elsewhere", f"{TOKEN}bind(account, work + '/x')\nos.open(work + '/x/token', 0)\nhold()"),
            Deed("by openat2", f"{TOKEN}openat2(token, 0)"),
            Deed("at last", f"{TOKEN}in_thread(lambda: os.open(token, 0))"),
        ]  # fmt: skip
        found, findings = told(tracee, "k8s_service_account_token", deeds)
    assert found == expected(deeds)
    assert {finding["detection"]["severity"] for finding in findings} <= {0, "INFO", "info"}


SERVER = {"KUBERNETES_SERVICE_HOST": "127.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
CONNECT = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('127.96.0.1', 443))\n"
MAPPED = "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\ns.connect(('::ffff:127.96.0.1', 443))\n"


def test_k8s_api_connection(tracee: Tracee) -> None:
    neighbour = CONNECT.replace("127.96.0.1", "127.96.0.2")
    deeds = [
        Deed("on the host", CONNECT, found=False, inside=False, env=SERVER),
        Deed("not known to be Kubernetes", f"{CONNECT}hold()", found=False),
        Deed("a socket of a file", "a, b = socket.socketpair()", found=False, env=SERVER),
        Deed("plain", f"{CONNECT}hold()", env=SERVER),
        Deed("another address", neighbour, found=False, env=SERVER),
        Deed("without the variable", CONNECT),
        Deed("with a false variable", CONNECT, env={"KUBERNETES_SERVICE_HOST": "127.0.0.9"}),
        Deed("by IPv6", MAPPED),
        Deed("in a thread", f"def deed():\n    {CONNECT.replace(chr(10), chr(10) + '    ')}\nin_thread(deed)"),
        Deed("at last", CONNECT),
    ]
    found, findings = told(tracee, "k8s_api_connection", deeds)
    assert found == expected(deeds)
    assert {arg["value"] for finding in findings for arg in finding["args"]} == {"127.96.0.1"}


@pytest.fixture
def keys() -> Iterator[Path]:
    """A cluster's folder of keys."""
    folder = Path("/etc/kubernetes")
    if folder.exists():
        pytest.skip("this host has a cluster, which is not ours to touch")
    pki = folder / "pki" / "etcd"
    pki.mkdir(parents=True)
    for file in (folder / "admin.conf", pki / "ca.key", pki.parent / "ca.key", pki.parent / "ca.crt"):
        file.write_text("x")
    yield pki.parent
    shutil.rmtree(folder)


def test_k8s_cert_theft(tracee: Tracee, keys: Path, copied: Callable[[str], str]) -> None:
    before = f"keys, work = {str(keys)!r}, sys.argv[1]\nkey = keys + '/ca.key'\n"
    beside = f"{before}p = work + '/my.key'\nopen(p, 'w').close()\nos.open(p, 0)"
    with installed("etcd") as etcd:
        deeds = [
            Deed("by whom it is for", f"{before}os.open(key, 0)", found=False, inside=False, program=etcd),
            Deed("listed", f"{before}os.listdir(keys)\nos.stat(key)", found=False, inside=False),
            Deed("another key", beside, found=False, inside=False),
            Deed("beside the folder", f"{before}os.open('/etc/kubernetes/admin.conf', 0)", found=False, inside=False),
            Deed("written", f"{before}os.open(keys + '/ca.crt', os.O_WRONLY)", found=False, inside=False),
            Deed("plain", f"{before}os.open(key, 0)", inside=False),
            Deed("in a container", f"{before}os.open(keys + '/etcd/ca.key', os.O_RDWR)"),
            Deed("by a copy elsewhere", f"{before}os.open(key, 0)", inside=False, program=copied("etcd")),
            Deed("by who only says so", f"{before}libc.prctl(15, b'etcd')\nos.open(key, 0)", inside=False),
            Deed("by a link", f"{before}os.symlink(keys, work + '/x')\nos.open(work + '/x/ca.crt', 0)", inside=False),
            Deed("elsewhere", f"{before}unshare('mnt')\nbind(keys, work + '/x')\nos.open(work + '/x/ca.key', 0)"),
            Deed("relative", f"{before}os.chdir(keys)\nos.open('ca.key', 0)", inside=False),
            Deed("by openat2", f"{before}openat2(key, 0)", inside=False),
            Deed("linked", f"{before}os.link(keys + '/etcd/ca.key', '/etc/kubernetes/link')", inside=False),
            Deed("by a hard link", f"{before}x = work + '/x.key'\nos.link(key, x)\nos.open(x, 0)", inside=False),
            Deed("renamed", f"{before}os.rename(keys + '/ca.crt', '/etc/kubernetes/x')", inside=False),
            Deed("its folder renamed", f"{before}x = keys + '2'\nos.rename(keys, x)\nos.rename(x, keys)", inside=False),
            Deed("at last", f"{before}in_thread(lambda: os.open(key, 0))", inside=False),
        ]  # fmt: skip
        found, _ = told(tracee, "k8s_cert_theft", deeds)
    assert found == expected(deeds)
