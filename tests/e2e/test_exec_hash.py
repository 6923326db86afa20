"""``option:exec-hash``: executions come with the digest of what was executed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from conftest import JsonEvent, Tracee

ARGUMENTS = ("--events", "sched_process_exec", "--output", "json", "--output", "option:exec-hash")


def digest(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def argument(event: JsonEvent, name: str) -> object:
    (value,) = [a["value"] for a in event["args"] if a["name"] == name]
    return value


def test_each_file_has_its_own_and_a_changed_one_another(tracee: Tracee, tmp_path: Path) -> None:
    copy = tmp_path / "program"
    with tracee.run(*ARGUMENTS, "--scope", "comm=program,true,large") as run:
        subprocess.run(["true"], check=True)
        wanted = [digest("/bin/true")]
        for text in (b"", b"one", b"two"):
            # another version of the same inode
            content = Path("/bin/sleep").read_bytes() + text
            with open(copy, "wb") as file:
                file.write(content)
            copy.chmod(0o755)
            for _ in range(2):
                subprocess.run([copy, "0.01"], check=True)
                wanted.append(hashlib.sha256(content).hexdigest())
        large = tmp_path / "large"
        shutil.copy("/bin/sleep", large)
        os.truncate(large, 64 << 20)
        subprocess.run([large, "1"], check=True)
        wanted.append(digest(large))
        events = run.stop()
    assert [argument(event, "sha256") for event in events] == wanted


def test_what_has_no_path(tracee: Tracee, tmp_path: Path) -> None:
    """A file that deletes itself, and one that is memory alone."""
    script = (
        "import os, sys\n"
        "fd = os.memfd_create('inmemory')\n"
        "os.write(fd, open('/bin/sleep', 'rb').read() + b'hidden')\n"
        "os.execve(fd, ['sleep', '0.5'], {})\n"
    )
    gone = tmp_path / "gone"
    shutil.copy("/bin/sleep", gone)
    with open(gone, "ab") as file:
        file.write(b"x")
    known = [digest(gone), hashlib.sha256(Path("/bin/sleep").read_bytes() + b"hidden").hexdigest()]
    with tracee.run(*ARGUMENTS) as run:
        child = subprocess.Popen([gone, "0.5"])
        gone.unlink()
        child.wait()
        subprocess.run(["/usr/bin/python3", "-S", "-c", script], check=True)
        events = run.stop()
    digests = [argument(event, "sha256") for event in events]
    assert [one for one in known if one not in digests] == []
