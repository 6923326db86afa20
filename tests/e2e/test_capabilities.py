"""Once it traces, no thread has more than it needs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND, PATIENCE, Run, Tracee, wait_until

from tracee.privileges import numbers

HEAD = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: a}\n"
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
USUAL = {"CAP_BPF", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}


def policy_of(event: str) -> str:
    return f"{HEAD}spec: {{rules: [{{event: {event}}}]}}\n"


def threads(pid: int) -> dict[str, dict[str, str]]:
    """The status of each thread, by its id; threads that end meanwhile are left out."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            lines = (task / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[task.name] = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return found


def held(status: dict[str, str]) -> set[str]:
    bits = [int(status[name], 16) for name in SETS]
    return {name for name, number in numbers().items() if any(each >> number & 1 for each in bits)}


def names(run: Run) -> set[str]:
    return {status["Name"] for status in threads(run.process.pid).values()}


def kept(run: Run) -> set[str]:
    """What all threads of a run have; it must be the same."""
    found = threads(run.process.pid)
    assert {status["NoNewPrivs"] for status in found.values()} == {"1"}
    (one,) = {frozenset(held(status)) for status in found.values()}
    return set(one)


def test_every_thread_gives_them_up(tracee: Tracee, tmp_path: Path) -> None:
    # one that sends and one that keeps, those that ask runtimes, and those that look for symbols
    arguments = ["--events", "symbols_loaded", "--filter", "data.symbols=malloc", "--output", "json"]
    sink = ["--output", "webhook:http://127.0.0.1:9/", "--output", f"option:spool-dir={tmp_path}"]
    with tracee.run(*arguments, *sink, "--runtime-sockets", str(tmp_path / "none.sock")) as run:
        wait_until(lambda: {"tracee-reader", "tracee-objects"} <= names(run), "all threads")
        assert kept(run) == USUAL | {"CAP_CHECKPOINT_RESTORE"}
        subprocess.run(["true"], check=True)
        wait_until(lambda: any(e["processName"] == "true" for e in run.events_so_far()), "an event")
        assert run.end() == 0


def test_bypass_add_and_drop(tracee: Tracee) -> None:
    with tracee.run("--events", "getppid", "--capabilities", "bypass=true") as run:
        found = threads(run.process.pid).values()
        ours = {name for name, number in numbers().items() if effective() >> number & 1}
        assert all(held(status) >= ours for status in found)
        (mine, *_) = threads(os.getpid()).values()
        assert {status["NoNewPrivs"] for status in found} == {mine["NoNewPrivs"]}
        run.end()
    more = ["--capabilities", "add=CAP_KILL,net_raw", "--capabilities", "drop=CAP_SYS_PTRACE"]
    with tracee.run("--events", "getppid", *more) as run:
        assert kept(run) == USUAL - {"CAP_SYS_PTRACE"} | {"CAP_KILL", "CAP_NET_RAW"}
        run.end()


def effective() -> int:
    return int(Path("/proc/self/status").read_text().split("CapEff:\t")[1].split()[0], 16)


def test_policies_can_be_replaced_with_what_is_left(tracee: Tracee, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(policy_of("getppid"))
    with tracee.run("--policy", str(policy), "--output", "json") as run:
        assert kept(run) == {*USUAL, "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYSLOG", "CAP_CHECKPOINT_RESTORE"}
        for event, deed in (
            ("security_file_open", ["cat", "/etc/hostname"]),
            ("net_packet_icmp", ["/usr/bin/python3", "-S", "-c", PING]),
            ("print_mem_dump, filters: ['data.symbol_name=do_exit']", ["true"]),
        ):
            policy.write_text(policy_of(event))
            before = run.stderr.count("policies are replaced")
            run.process.send_signal(signal.SIGHUP)

            def replaced(before: int = before) -> bool:
                return run.stderr.count("policies are replaced") > before

            wait_until(replaced, event)
            name = event.partition(",")[0]

            def seen(name: str = name, deed: list[str] = deed) -> bool:
                subprocess.run(deed, check=True, capture_output=True)
                return any(each["eventName"] == name for each in run.events_so_far())

            wait_until(seen, name)
        assert "not replaced" not in run.stderr
        assert run.end() == 0


PING = """
import socket
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.sendto(bytes.fromhex("0800f7ff00000000"), ("127.0.0.1", 0))
"""


def test_a_log_in_somebody_elses_folder_is_opened_anew(tracee: Tracee, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    theirs.chmod(0o755)
    file = theirs / "tracee.log"
    tracee_with_log = ["--events", "getppid", "--log", f"option:log-file={file}", "--output", "json"]
    with subprocess.Popen([*COMMAND, "--log", "debug", *tracee_with_log], stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: file.exists() and "tracing has begun" in file.read_text(), "the start")
        (first, *_) = threads(process.pid).values()
        assert held(first) == USUAL | {"CAP_DAC_OVERRIDE"}
        file.rename(theirs / "old")
        process.send_signal(signal.SIGUSR1)
        wait_until(file.exists, "the new file")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_files_that_only_others_can_read(
    tracee: Tracee, tmp_path: Path, compile_c: Callable[..., Path], as_user: list[str]
) -> None:
    """What a process of another user loads is read, though root alone could not read it without privileges."""
    folder = tmp_path / "private"
    folder.mkdir()
    library = folder / "library.so"
    source = tmp_path / "library.c"
    source.write_text("int very_own_symbol(void) { return 1; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    for path, mode in ((library, 0o500), (folder, 0o500)):
        os.chown(path, 12345, 12345)
        path.chmod(mode)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    arguments = ["--events", "symbols_loaded", "--filter", "data.symbols=very_own_symbol", "--output", "json"]
    with tracee.run(*arguments) as run:
        program = f"import ctypes; ctypes.CDLL({str(library)!r})"
        subprocess.run([*as_user, "/usr/bin/python3", "-S", "-c", program], check=True)
        wait_until(lambda: bool(run.events_so_far()), "the library")
        (event,) = run.stop()
    assert event["userId"] == 12345


@pytest.fixture
def as_user() -> list[str]:
    return ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "--"]
