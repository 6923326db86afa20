"""What signatures ask of files, of processes that do not stay."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from tracee._core import Event
from tracee.detect.stores import FileStore


def test_links_are_followed_in_the_root_of_a_process_that_has_ended(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    child = subprocess.Popen(["sleep", "60"])
    try:
        namespace = os.stat(f"/proc/{child.pid}/ns/mnt").st_ino
        facts = SimpleNamespace(host_pid=child.pid, host_ppid=0, ancestors=[], mount_namespace=namespace)
        event, store = cast("Event", facts), FileStore()
        assert not store.is_file(event, "/no-such-file", "/nor-this")
    finally:
        child.kill()
        child.wait()
    assert store.is_file(event, str(tmp_path / "file"), str(tmp_path / "link"))
    assert not store.is_file(event, str(tmp_path / "other"), str(tmp_path / "link"))
