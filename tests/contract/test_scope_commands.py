"""The manual's commands of its chapter on scopes and filters: each shows what it is to show, and not what it is not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lines import Line

pytest_plugins = ["lines"]


def names(text: str) -> list[str]:
    """What ran."""
    return [json.loads(line)["processName"] for line in text.splitlines()]


def run(*command: str | Path, uid: int = 0) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=uid)


def test_pids(line: Callable[[str], Line]) -> None:
    cats = [subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    first, second, other = (cat.pid for cat in cats)
    several = line(f"tracee --events write --scope pid={first},{second} --output json")
    for cat in cats:
        cat.communicate(b"text")
    seen = {json.loads(row)["hostProcessId"] for row in several.end().splitlines()}
    assert seen == {first, second} and other not in seen


def test_users(line: Callable[[str], Line]) -> None:
    running = line("tracee --events sched_process_exec --scope uid!=0 --scope comm=env,true --output json")
    run("env")
    run("true", uid=65534)
    assert names(running.end()) == ["true"]


def test_executables(line: Callable[[str], Line], tmp_path: Path) -> None:
    """A folder's, and one alone; the shell must not read the star."""
    copy = tmp_path / "copy"
    shutil.copy("/bin/true", copy)
    running = line(f"tracee --events sched_process_exit --scope 'executable={tmp_path}/*' --output json")
    run("true")
    run(copy)
    assert names(running.end()) == ["copy"]


def test_containers_and_the_host(line: Callable[[str], Line]) -> None:
    """On the host there is no container's task."""
    for scope, seen in (("container", []), ("container=abc123def456", []), ("not-container", ["nice"])):
        running = line(f"tracee --events sched_process_exec --scope {scope} --scope comm=nice --output json")
        run("nice", "true")
        shown = [name for name in names(running.end()) if name == "nice"]
        assert shown == seen, scope


@pytest.mark.parametrize("scope", ["podName=nginx-*", "podNamespace=production", "podUid=0f1e2d3c"])
def test_pods(line: Callable[[str], Line], scope: str) -> None:
    """Nothing of the host is in a pod."""
    running = line(f"tracee --events sched_process_exec --scope {scope} --output json")
    run("true")
    assert running.end() == ""


def test_namespaces(line: Callable[[str], Line]) -> None:
    for kind in ("mnt", "pid"):
        inode = os.stat(f"/proc/self/ns/{kind}").st_ino
        running = line(
            f"tracee --events sched_process_exec --scope {kind}ns={inode} --scope comm=nice,env --output json"
        )
        run("nice", "true")
        run("unshare", f"--{'mount' if kind == 'mnt' else 'pid'}", "--fork", "env")
        assert names(running.end()) == ["nice"], kind
    running = line(
        f"tracee --events sched_process_exec --scope uts={socket.gethostname()} --scope comm=nice --output json"
    )
    run("nice", "true")
    assert "nice" in names(running.end())


def test_filters(line: Callable[[str], Line]) -> None:
    """Again: the same field is OR, others are AND."""
    running = line(
        "tracee --events openat --scope comm=cat --filter data.pathname=/etc/* --filter data.pathname=/dev/* "
        "--filter retval!=0 --filter 'retval<0' --output json | jq -r '.args[1].value'"
    )
    for path in ("/etc/no-such-file", "/dev/no-such-file", "/tmp/no-such-file", "/etc/hostname"):
        subprocess.run(["cat", path], capture_output=True, check=False)
    assert [path for path in running.end().split() if "no-such" in path] == ["/etc/no-such-file", "/dev/no-such-file"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--events openat --filter data.pathnam=/x", 'no selected event has the field "data.pathnam"'),
        ("--events openat --scope pdi=1", 'unknown scope "pdi"'),
    ],
)
def test_what_there_is_not(path: str, flags: str, message: str) -> None:
    env = {**os.environ, "PATH": path}
    result = subprocess.run(
        ["/bin/bash", "-c", f"tracee {flags}"], env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert message in result.stderr and "(nearest: " in result.stderr


def test_flags_and_addresses(line: Callable[[str], Line]) -> None:
    running = line(
        "tracee --events security_file_open --scope comm=sh --filter data.flags=O_WRONLY,O_RDWR --output json "
        "| jq -r '.args[].name' | sort -u"
    )
    run("sh", "-c", "echo x > /dev/null")
    assert "pathname" in running.end().split()
    running = line(
        "tracee --events security_socket_connect --filter data.remote_addr=127.0.0.0/8 --filter data.remote_port=9 "
        "--output json"
    )
    for port in (9, 10):
        with socket.socket() as client:
            client.connect_ex(("127.0.0.1", port))
    assert len(running.end().splitlines()) == 1
