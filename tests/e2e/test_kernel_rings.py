"""What an io_uring is asked to do, without a system call of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Tracee
from kernel_events import Watched, watch_program

FILES = ["security_file_open", "security_inode_unlink", "security_inode_rename", "security_inode_symlink"]
HAVE_NONE = 77


@pytest.fixture
def ring(tracee: Tracee, tmp_path: Path, compile_c: Callable[[str], Path]) -> Callable[..., Watched]:
    """Runs ring.c with these words in `tmp_path/inside`, and tells what was seen of it."""
    program = tracee.folder / "deed"
    shutil.copy(compile_c("ring"), program)
    if subprocess.run([program], check=False).returncode == HAVE_NONE:
        pytest.skip("this kernel gives no io_uring")
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    (inside / "link").symlink_to("folder")

    def run(events: list[str], *words: str) -> Watched:
        seen = watch_program(tracee, events, [program, *words], cwd=inside)
        for event in events:
            if "what io_uring does" in seen.log_of(event):
                pytest.skip(f"{event} is not told of an io_uring here")
        return seen

    return run


def of_folder(told: list[dict[str, Any]], key: str, inside: Path) -> list[dict[str, Any]]:
    """Those whose path is below `inside`; the program opens libraries too."""
    return [event for event in told if str(event[key]).startswith(f"{inside}/")]


def asked(seen: Watched, text: str) -> list[str | None]:
    """What `syscall_pathname` may be: where the file is opened for a request the kernel does not say what was asked."""
    return [text] if seen.by_calls("security_file_open") else [text, None]


def identity(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_ino, status.st_dev, status.st_ctime_ns


@pytest.mark.parametrize("how", [[], ["worker"]], ids=["at once", "by a worker"])
def test_open(ring: Callable[..., Watched], tmp_path: Path, how: list[str]) -> None:
    inside = tmp_path / "inside"
    file = inside / "folder" / "one"
    file.touch()
    seen = ring(FILES, *how, "open", ".", "link/../link/one", str(os.O_RDWR), "open", ".", "absent", "0")
    (event,) = of_folder(seen.of("security_file_open"), "pathname", inside)
    assert event["pathname"] == str(file)
    assert event["syscall_pathname"] in asked(seen, "link/../link/one")
    assert (event["inode"], event["dev"], event["ctime"]) == identity(file)
    assert event["flags"] & os.O_ACCMODE == os.O_RDWR
    assert {e["processName"] for e in seen.events} == {"deed"}


def test_open_relative_to_a_folder(ring: Callable[..., Watched], tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "folder" / "one").touch()
    seen = ring(FILES, "open", "link", "one", "0")
    folder, file = of_folder(seen.of("security_file_open"), "pathname", inside)
    assert folder["syscall_pathname"] == "link"
    assert file["pathname"] == f"{inside}/folder/one"
    assert file["syscall_pathname"] in asked(seen, "one")


def test_open_into_the_ring_s_own_table(ring: Callable[..., Watched], tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    file = inside / "folder" / "one"
    file.touch()
    seen = ring(FILES, "apart", ".", "link/one", "0")
    (event,) = of_folder(seen.of("security_file_open"), "pathname", inside)
    assert event["pathname"] == str(file)
    assert event["syscall_pathname"] in asked(seen, "link/one")
    assert (event["inode"], event["dev"], event["ctime"]) == identity(file)


@pytest.mark.parametrize("how", [[], ["quiet"]], ids=["told", "without a completion"])
def test_unlink(ring: Callable[..., Watched], tmp_path: Path, how: list[str]) -> None:
    inside = tmp_path / "inside"
    files = [os.path.join(os.fsencode(inside), b"folder", name) for name in (b"\xff\xfe", b"two")]
    expected = []
    for file in files:
        os.close(os.open(file, os.O_CREAT))
        expected.append(identity(Path(os.fsdecode(file))))
    seen = ring(FILES, *how, "unlink", ".", os.fsdecode(b"link/\xff\xfe"), "unlink", "folder", "two")
    told = seen.of("security_inode_unlink")
    assert [e["pathname"] for e in told] == [rf"{inside}/folder/\xff\xfe", f"{inside}/folder/two"]
    assert [(e["inode"], e["dev"], e["ctime"]) for e in told] == expected


def test_an_unlink_that_fails(ring: Callable[..., Watched], tmp_path: Path) -> None:
    (tmp_path / "inside" / "one").touch()
    told = ring(FILES, "unlink", ".", "absent", "unlink", ".", "one").of("security_inode_unlink")
    assert [e["pathname"] for e in told] == [f"{tmp_path}/inside/one"]


def test_rename_and_symlink(ring: Callable[..., Watched], tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "one").touch()
    seen = ring(FILES, "rename", "./one", "link/two", "symlink", "/etc/../nowhere", "folder/../three")
    told = [(e["old_path"], e["new_path"]) for e in seen.of("security_inode_rename")]
    assert told == [(f"{inside}/one", f"{inside}/folder/two")]
    told = [(e["linkpath"], e["target"]) for e in seen.of("security_inode_symlink")]
    assert told == [(f"{inside}/three", "/etc/../nowhere")]


def test_a_path_of_4000_characters(ring: Callable[..., Watched], tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    path = "./" * 1990 + "folder/one"
    (inside / "folder" / "one").touch()
    seen = ring(FILES, "open", ".", path, "0", "unlink", ".", path)
    (event,) = of_folder(seen.of("security_file_open"), "pathname", inside)
    assert event["pathname"] == f"{inside}/folder/one"
    assert event["syscall_pathname"] in asked(seen, path)
    assert [e["pathname"] for e in seen.of("security_inode_unlink")] == [f"{inside}/folder/one"]


def test_truncate(ring: Callable[..., Watched], tmp_path: Path) -> None:
    file = tmp_path / "inside" / "one"
    file.write_text("12345678")
    seen = ring(["do_truncate"], "open", ".", "one", str(os.O_WRONLY | os.O_TRUNC), "open", ".", "new", "513")
    (event,) = seen.of("do_truncate")
    assert (event["pathname"], event["length"]) == (str(file), 0)
    assert (event["inode"], event["dev"]) == identity(file)[:2]
