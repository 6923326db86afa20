"""Policies from files: what each example is there for is found, and what stands beside it is not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Tracee
from kernel_events import values

from tracee.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "policies"
NOBODY = 65534


def found(tracee: Tracee, policy: str, deeds: Callable[[], None]) -> list[tuple[str, str]]:
    """Runs with one of the examples: the events of this process and its children, each with its first argument."""
    with tracee.run("--policy", str(EXAMPLES / f"{policy}.yaml"), "--output", "json") as run:
        deeds()
        events = [e for e in run.stop() if os.getpid() in (e["hostProcessId"], e["hostParentProcessId"])]
    assert all(e["policies"] == {"matched": [policy]} for e in events)
    return [(e["eventName"], str(first_path(e))) for e in events]


def first_path(event: JsonEvent) -> object:
    arguments = values(event)
    return next((arguments[name] for name in ("pathname", "old_path", "path") if name in arguments), None)


def open_and_close(path: str | Path, flags: int = os.O_RDONLY) -> None:
    os.close(os.open(path, flags))


@pytest.fixture
def folder_at() -> Iterator[Callable[[str], Path]]:
    """Makes a folder anywhere; what had to be made for it goes again."""
    made: list[Path] = []

    def make(path: str) -> Path:
        missing = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()]
        Path(path).mkdir(parents=True)
        made.append(missing[-1])
        return Path(path)

    yield make
    for folder in made:
        shutil.rmtree(folder)


def test_sensitive_files_monitor(tracee: Tracee, folder_at: Callable[[str], Path]) -> None:
    key = folder_at(f"/home/tracee-{os.getpid()}/.ssh") / "id_ed25519"
    beside = key.parents[1] / "notes"
    key.touch()
    beside.touch()

    def deeds() -> None:
        open_and_close("/etc/passwd")
        open_and_close("/etc/passwd", os.O_WRONLY)
        open_and_close("/etc/passwd", os.O_RDWR)
        open_and_close("/etc/group", os.O_WRONLY)
        open_and_close("/etc/shadow")
        open_and_close(key)
        open_and_close(beside)

    paths = ["/etc/passwd", "/etc/passwd", "/etc/shadow", str(key)]
    assert found(tracee, "sensitive-files-monitor", deeds) == [("security_file_open", path) for path in paths]


def test_pci_dss_file_access(tracee: Tracee, folder_at: Callable[[str], Path]) -> None:
    cards = folder_at(f"/opt/payment/tracee-{os.getpid()}")
    beside = folder_at(f"/opt/tracee-{os.getpid()}")

    def deeds() -> None:
        for folder in (cards, beside):
            (folder / "a").touch()
            (folder / "a").rename(folder / "b")
            (folder / "b").unlink()

    assert found(tracee, "pci-dss-file-access", deeds) == [
        ("security_file_open", f"{cards}/a"),
        ("security_inode_rename", f"{cards}/a"),
        ("security_inode_unlink", f"{cards}/b"),
    ]


def test_user_activity_audit(tracee: Tracee, folder_at: Callable[[str], Path]) -> None:
    folder = folder_at(f"/tmp/tracee-{os.getpid()}")
    folder.chmod(0o777)
    script = (
        "import os, socket, sys\n"
        "open('/etc/passwd').close()\n"
        "open(sys.argv[1], 'w').close()\n"
        "os.unlink(sys.argv[1])\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\n"
    )
    command = ["/usr/bin/python3", "-I", "-S", "-c", script]

    def deeds() -> None:
        subprocess.run([*command, folder / "root"], check=True)
        subprocess.run([*command, folder / "user"], check=True, user=NOBODY, group=NOBODY)

    told = found(tracee, "user-activity-audit", deeds)
    # what becomes another user is told from then on
    assert {name for name, _ in told} == {
        "commit_creds",
        "sched_process_exec",
        "security_file_open",
        "security_inode_unlink",
        "security_socket_connect",
    }
    assert ("sched_process_exec", os.path.realpath("/usr/bin/python3")) in told
    assert [path for name, path in told if name == "security_file_open"] == [str(folder / "user")]
    assert [path for name, path in told if name == "security_inode_unlink"] == [str(folder / "user")]


def filters_take_scope_keys() -> bool:
    return main(["policy", "check", str(EXAMPLES / "reverse-shell-detection.yaml")]) == 0


@pytest.mark.skipif(not filters_take_scope_keys(), reason="filters of rules do not take scope keys yet")
def test_reverse_shell_detection(tracee: Tracee, folder_at: Callable[[str], Path]) -> None:
    netcat = Path("/usr/local/bin/nc")
    if netcat.exists():
        pytest.skip("this host has a netcat there, which is not ours to replace")
    beside = folder_at(f"/tmp/tracee-{os.getpid()}") / "nc"

    def connect() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
            unconnected.connect(("127.0.0.1", 9))

    def deeds() -> None:
        connect()
        # without SHELL, bash asks the name service, if there is one, which is to connect as well
        shell = os.environ | {"SHELL": "/bin/bash"}
        subprocess.run(["/bin/bash", "-c", "exec 3<>/dev/udp/127.0.0.1/9"], check=True, env=shell)
        for program in (netcat, beside):
            shutil.copy(shutil.which("true") or "", program)
            subprocess.run([program], check=True)
        for module in ("socket", "os"):
            subprocess.run(["/usr/bin/python3", "-c", f"import {module}"], check=True)

    try:
        told = found(tracee, "reverse-shell-detection", deeds)
    finally:
        netcat.unlink(missing_ok=True)
    assert told == [
        ("security_socket_connect", "None"),
        ("sched_process_exec", str(netcat)),
        ("sched_process_exec", os.path.realpath("/usr/bin/python3")),
    ]


def test_minimal_monitoring(tracee: Tracee) -> None:
    def deeds() -> None:
        subprocess.run(["/bin/true"], check=True)
        open_and_close("/etc/shadow")
        open_and_close("/etc/shadow", os.O_WRONLY)
        open_and_close("/etc/group", os.O_WRONLY)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
            unconnected.connect(("127.0.0.1", 9))

    assert found(tracee, "minimal-monitoring", deeds) == [
        ("sched_process_exec", os.path.realpath("/bin/true")),
        ("security_file_open", "/etc/shadow"),
    ]


def test_compliance_audit(tracee: Tracee, tmp_path: Path) -> None:
    log, beside = Path(f"/var/log/tracee-{os.getpid()}"), tmp_path / "log"

    def deeds() -> None:
        open_and_close("/etc/group")
        open_and_close("/etc/group", os.O_RDWR)
        for file in (log, beside):
            file.touch()
            file.unlink()
        beside.touch()
        for path in (beside, Path("/etc/group")):
            path.chmod(path.stat().st_mode & 0o7777)
        command: list[str | Path] = [
            "unshare",
            "--mount",
            "--propagation",
            "unchanged",
            "mount",
            "-t",
            "tmpfs",
            "x",
            tmp_path,
        ]
        subprocess.run(command, check=True)

    assert found(tracee, "compliance-audit", deeds) == [
        ("security_file_open", "/etc/group"),
        ("security_inode_unlink", str(log)),
        ("chmod_common", "/etc/group"),
        ("security_sb_mount", str(tmp_path)),
    ]


TRACED = "import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)"  # PTRACE_TRACEME
CALLED = "import ctypes\nctypes.CDLL(None).ptrace(16, 0x7fffffff, 0, 0)"  # PTRACE_ATTACH, of nobody


def test_comprehensive_monitoring(tracee: Tracee, tmp_path: Path) -> None:
    file, beside = tmp_path / "file", tmp_path / "beside"
    file.touch()

    def deeds() -> None:
        open_and_close(file)
        open_and_close(file, os.O_RDWR)
        file.chmod(0o600)
        os.symlink(file, beside)
        file.rename(tmp_path / "renamed")
        (tmp_path / "renamed").unlink()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
            unconnected.connect(("127.0.0.1", 9))
        subprocess.run(["/bin/true"], check=True)
        for script in (CALLED, TRACED):
            subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)

    told = found(tracee, "comprehensive-monitoring", deeds)
    assert [event for event in told if str(event[1]).startswith(str(tmp_path))] == [
        ("security_file_open", str(file)),
        ("security_inode_rename", str(file)),
        ("security_inode_unlink", str(tmp_path / "renamed")),
    ]
    names = [name for name, _ in told]
    assert ("sched_process_exec", os.path.realpath("/bin/true")) in told
    assert {"sched_process_fork", "sched_process_exit", "security_socket_connect"} <= set(names)
    assert names.count("anti_debugging") == 1
    assert not {"chmod_common", "security_inode_symlink", "openat"} & set(names)


def test_an_event_says_which_policies_it_matched(tracee: Tracee, tmp_path: Path) -> None:
    """Two policies in a file, a third in a folder, and the flags' own, which has no name."""
    head = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {{name: {}}}\nspec: {}\n"
    rule = "{{rules: [{{event: openat, filters: ['data.pathname={}']}}]}}"
    two = head.format("a", rule.format(f"{tmp_path}/link/*")), head.format("b", rule.format("*/one,*/two"))
    (tmp_path / "two.yaml").write_text("---\n".join(two))
    folder, real = tmp_path / "folder", tmp_path / "real"
    folder.mkdir()
    real.mkdir()
    (tmp_path / "link").symlink_to("real")
    # alternatives: either filter of the event is enough
    rules = f"{{event: openat, filters: ['data.pathname={real}/two']}}, {{event: openat, filters: ['retval=ENOENT']}}"
    (folder / "c.yml").write_text(head.format("c", f"{{scope: [pid={os.getpid()}], rules: [{rules}]}}"))
    policies = ("--policy", str(tmp_path / "two.yaml"), "--policy", str(folder))
    flags = ("--events", "openat", "--filter", f"data.pathname={real}/three", "--scope", f"pid={os.getpid()}")
    with tracee.run(*policies, *flags, "--output", "json") as run:
        for path in (real / "one", real / "two", real / "three", tmp_path / "link/four", tmp_path / "five"):
            if path.name != "five":
                path.touch()
            else:
                assert not os.path.lexists(path)
                with pytest.raises(FileNotFoundError):
                    open_and_close(path)
        events = [e for e in run.stop() if e["hostProcessId"] == os.getpid()]
    matched = {Path(values(e)["pathname"]).name: e["policies"]["matched"] for e in events}
    assert matched == {"one": ["a", "b"], "two": ["a", "b", "c"], "three": ["a"], "four": ["a"], "five": ["c"]}


def test_what_is_wrong_is_told_before_anything_is_attached(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    text = (EXAMPLES / "minimal-monitoring.yaml").read_text()
    file.write_text(text.replace("sched_process_exec", "sched_proces_exec").replace("flags", "flag"))
    done = tracee.command("--policy", str(file), "--log", "debug")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f'ERROR {file}:11: unknown event "sched_proces_exec" (nearest: sched_process_exec)\n'
        f'ERROR {file}:16: security_file_open has no field "data.flag" (nearest: data.flags)\n'
    )
