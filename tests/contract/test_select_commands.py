"""The manual's commands of its chapter on selecting events, run as it prints them, and some with scopes and filters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from lines import Line, wait_until

pytest_plugins = ["lines"]


def test_version_and_list(path: str) -> None:
    def run(text: str) -> str:
        return subprocess.run(
            ["/bin/bash", "-c", text], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
        ).stdout

    assert re.fullmatch(r"tracee \d+\.\d+\.\d+\n", run("tracee --version"))
    syscalls = run("tracee --events list | grep syscalls").splitlines()
    assert len(syscalls) >= 447
    # the name of one event has the word in it, too
    assert all(row.split()[1] == "syscalls" or row.startswith("hooked_syscalls ") for row in syscalls)
    assert run("tracee --events list | head -1").split()[0] == "EVENT"
    for category, event in (
        ("lsm", "security_file_open"),
        ("network", "net_packet_dns"),
        ("signatures", "code_injection"),
    ):
        rows = run(f"tracee --events list | grep {category}").splitlines()
        assert [event, category] in [row.split()[:2] for row in rows]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("tracee", "sched_process_exec"),
        ("tracee --events openat", "openat"),
        ("tracee --events openat,close,read", "close"),
        ("tracee --events syscalls", "execve"),
        ("tracee --events all", "sched_process_exit"),
        ("tracee --events net_packet_icmp,security_file_open --output json", '"eventName":"security_file_open"'),
        ("tracee --events execve --scope uid=0", "execve"),
        ("tracee --events execve --scope 'pid>1'", "execve"),
        ("tracee --events execve --scope pid!=1", "execve"),
        ("tracee --events execve --scope comm=cat,containerd", "execve"),
        ("tracee --events execve --scope global", "execve"),
        ("tracee --events openat --scope executable=/usr/bin/cat", "openat"),
        ("tracee --events openat --scope executable=/usr/*", "openat"),
        ("tracee --events openat --filter data.pathname=/etc/*", "openat"),
        ("tracee --events openat --filter data.pathname=/tmp/*,/etc/*", "openat"),
        ("tracee --events openat --filter data.flags=O_RDONLY", "openat"),
        ("tracee --events openat --filter retval!=0", "openat"),
        ("tracee --perf-buffer-size 2048 --sampling 100 --events openat --log error", "openat"),
        ("tracee --events openat --output json", '"eventName":"openat"'),
        ("tracee --events openat --output json:stdout --output json:/dev/null", '"eventName":"openat"'),
        ("tracee --events openat --output table --output option:parse-arguments", "openat"),
    ],
)
def test_what_it_prints(line: Callable[[str], Line], text: str, seen: str) -> None:
    running = line(text)
    subprocess.run(["cat", "/etc/hostname", "/etc/no-such-file"], capture_output=True, check=False)
    wait_until(lambda: seen in running.output(), f"{seen} from: {text}")
    running.end()


def test_all_detections(line: Callable[[str], Line]) -> None:
    """A process that has itself traced, so that no debugger can: found; what it is found by is not shown."""
    running = line("tracee --events all-signatures --output json")
    traced = "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)"
    subprocess.run([sys.executable, "-c", traced], check=True)
    wait_until(lambda: '"eventName":"anti_debugging"' in running.output(), "the detection")
    assert "ptrace" not in {json.loads(row)["eventName"] for row in running.end().splitlines()}


def test_tree_and_follow(line: Callable[[str], Line]) -> None:
    shell = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    running = line(f"tracee --events sched_process_exec --scope tree={shell.pid} --output json | jq -r .processName")
    subprocess.run(["true"], check=True)
    shell.communicate("env nice cat /etc/hostname\n")
    assert running.end().split() == ["env", "nice", "cat"]
    running = line(
        "tracee --events sched_process_exec --scope comm=env --scope follow --output json | jq -r .processName"
    )
    subprocess.run(["env", "sh", "-c", "cat /etc/hostname; true"], check=True, stdout=subprocess.DEVNULL)
    assert running.end().split() == ["env", "sh", "cat"]
