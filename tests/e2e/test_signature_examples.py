"""The signatures of examples/signatures, each with what it is there for, and with what stands beside that."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Run, Tracee, wait_until
from test_detections import args

EXAMPLES = Path(__file__).parents[2] / "examples" / "signatures"
MANUAL = """
from tracee.detect import Signature

class SuspiciousBashUsage(Signature):
    def init(self, ctx): self.callback = ctx.callback
    def get_metadata(self):
        return {"ID": "CUSTOM-001", "Version": "1.0.0", "Name": "Suspicious Bash Usage", "EventName": "suspicious_bash_usage",
                "Description": "...", "Tags": ["linux", "container"],
                "Properties": {"Severity": 3, "Category": "execution", "Technique": "T1059", "MITRE ATT&CK": "Command and Scripting Interpreter"}}
    def get_selected_events(self): return [{"Source": "tracee", "Name": "sched_process_exec"}]
    def on_event(self, event):
        cwd = event.args.get("cwd", "")
        if event.args["pathname"] in ("/bin/bash", "/bin/sh") and (cwd == "/tmp" or cwd.startswith("/tmp/")):
            self.callback({"Event": event, "Data": {"pathname": event.args["pathname"], "cwd": cwd}})
    def on_signal(self, signal): pass
    def close(self): pass
"""  # noqa: E501 - as the manual prints it


def start(tracee: Tracee, name: str, *more: str) -> Run:
    return tracee.run("--signatures-dir", str(EXAMPLES), "--events", name, "--output", "json", *more)


def stop(run: Run, count: int) -> list[JsonEvent]:
    """The findings, when there are so many, and no more come."""
    wait_until(lambda: len(run.events_so_far()) >= count, "the findings")
    events = run.stop()
    assert len(events) == count
    return events


@pytest.fixture
def in_tmp() -> Iterator[Path]:
    """A folder below /tmp."""
    folder = Path("/tmp") / f"tracee-test-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root in which /bin is a folder, with a shell of its own."""
    made = tmp_path / "root"
    for folder in ("bin", "tmp", "lib", "lib64"):
        (made / folder).mkdir(parents=True)
    shell = Path(os.path.realpath("/bin/sh"))
    for name in ("sh", "bash"):
        shutil.copy(shell, made / "bin" / name)
    listed = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout
    for library in {word for word in listed.split() if word.startswith("/")}:
        to = made / library.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(library), to)
    return made


def test_the_manuals_as_it_stands(tracee: Tracee, tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "signatures"
    folder.mkdir()
    (folder / "suspicious.py").write_text(MANUAL)
    words = "--signatures-dir", str(folder), "--events", "all-signatures", "--output", "json"
    with tracee.run(*words) as run:
        for shell in ("/bin/sh", "/bin/bash"):
            subprocess.run(["chroot", root, shell, "-c", "cd /; exec /bin/sh -c true"], check=True)  # not in /tmp
            subprocess.run(["chroot", root, "/bin/sh", "-c", f"cd /tmp; exec {shell} -c 'exit 0'"], check=True)
        wait_until(lambda: sum(e["eventId"] == "CUSTOM-001" for e in run.events_so_far()) >= 2, "the findings")
        events = [event for event in run.stop() if event["eventId"] == "CUSTOM-001"]
    assert [event["eventName"] for event in events] == ["suspicious_bash_usage"] * 2
    pathnames = [args(event)["pathname"] for event in events]
    assert pathnames in (["/bin/sh", "/bin/bash"], [f"{root}/bin/sh", f"{root}/bin/bash"])
    properties = events[0]["detection"]["properties"]
    assert properties["MITRE ATT&CK"] == "Command and Scripting Interpreter"
    assert (events[0]["detection"]["severity"], events[0]["detection"]["techniqueId"]) == (3, "T1059")


def test_suspicious_bash_usage(tracee: Tracee, in_tmp: Path) -> None:
    with start(tracee, "suspicious_bash_usage") as run:
        subprocess.run(["bash", "-c", "true"], cwd="/", check=True)
        subprocess.run(["true"], cwd=in_tmp, check=True)
        subprocess.run(["bash", "-c", "true"], cwd=in_tmp, check=True)
        subprocess.run(["/bin/sh", "-c", "true"], cwd=in_tmp, check=True)
        events = stop(run, 2)
    assert {args(event)["cwd"] for event in events} == {str(in_tmp)}
    assert [os.path.realpath(str(args(event)["pathname"])) for event in events] == [
        os.path.realpath("/bin/bash"),
        os.path.realpath("/bin/sh"),
    ]


def test_private_key_read(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_rsa.pub", "known_hosts"):
        (tmp_path / ".ssh" / name).write_text("x")
    with start(tracee, "private_key_read") as run:
        for name in ("known_hosts", "id_rsa.pub", "id_rsa"):
            (tmp_path / ".ssh" / name).read_text()
        events = stop(run, 1)
    assert args(events[0]) == {"path": str(tmp_path / ".ssh" / "id_rsa")}


def test_repeated_denials(tracee: Tracee, tmp_path: Path) -> None:
    deed = textwrap.dedent(
        f"""
        import os
        os.setresuid(65534, 65534, 65534)
        for number in range(COUNT):
            try:
                os.open(f"{tmp_path}/{{number}}", os.O_RDONLY)
            except PermissionError:
                pass
        """
    )
    tmp_path.chmod(0o700)
    with start(tracee, "repeated_denials") as run:
        for count in (19, 45):
            words = [shutil.which("python3") or "python3", "-S", "-c", deed.replace("COUNT", str(count))]
            subprocess.run(words, check=True)
        events = stop(run, 1)
    assert str(args(events[0])["last_path"]).startswith(str(tmp_path))
    argv = args(events[0])["argv"]
    assert isinstance(argv, list)
    assert argv[1] == "-S"


def test_known_bad_program(tracee: Tracee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "harmless-name"
    shutil.copy("/bin/true", bad)
    with open(bad, "ab") as file:
        file.write(b"what makes it another file")
    hashed = hashlib.sha256(bad.read_bytes()).hexdigest()
    (tmp_path / "list").write_text(f"{hashed}  something\n\n")
    monkeypatch.setenv("KNOWN_BAD", str(tmp_path / "list"))
    with start(tracee, "known_bad_program") as run:
        subprocess.run(["/bin/true"], check=True)
        subprocess.run([bad], check=True)
        events = stop(run, 1)
    assert args(events[0]) == {"path": str(bad), "sha256": hashed}


def test_long_dns_names(tracee: Tracee) -> None:
    def question(name: str) -> bytes:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"

    with start(tracee, "long_dns_names") as run, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", 53))
        for number in range(12):
            for name in (f"www{number}.example.org", f"{'a' * 45}{number}.bad.example.com"):
                try:
                    sender.send(question(name))
                except ConnectionRefusedError:  # of the one before
                    sender.send(question(name))
        events = stop(run, 1)
    found = args(events[0])
    assert (found["domain"], found["count"]) == ("example.com", 10)


def test_several_findings(tracee: Tracee, tmp_path: Path) -> None:
    """By saved findings: each has tests of its own."""
    saved = tmp_path / "findings.json"
    names = ("ld_preload", "fileless_execution", "ld_preload", "dropped_executable", "stdio_over_socket")
    line = '{{"timestamp": 1, "processId": {pid}, "eventName": "{name}", "eventId": "x", "args": []}}\n'
    lines = [line.format(pid=pid, name=name) for name in names for pid in (1, 2) if (pid, name) != (2, "ld_preload")]
    saved.write_text("".join(lines))
    done = tracee.command("signatures", "test", str(EXAMPLES / "several_findings.py"), str(saved))
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if '"several_findings"' in line]
    assert len(found) == 2
    assert '"value": ["dropped_executable", "fileless_execution", "ld_preload"]' in found[0]
    assert '"value": ["dropped_executable", "fileless_execution", "stdio_over_socket"]' in found[1]
