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

FILES = [
    "security_file_open",
    "security_inode_link",
    "security_inode_unlink",
    "security_inode_rename",
    "security_inode_symlink",
]
HAVE_NONE = 77
SINCE = {"unlink": (5, 11), "rename": (5, 11), "symlink": (5, 15), "link": (5, 15), "apart": (5, 15)}
"""Words that an older kernel's io_uring does not know."""


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

    major, minor = os.uname().release.partition("-")[0].split(".")[:2]

    def run(events: list[str], *words: str) -> Watched:
        unknown = [word for word in words if (int(major), int(minor)) < SINCE.get(word, (0, 0))]
        if unknown:
            pytest.skip(f"this kernel's io_uring does not know {unknown[0]}")
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


@pytest.mark.parametrize("how", [[], ["worker"], ["quiet"]], ids=["told", "by a worker", "without a completion"])
def test_hard_links(ring: Callable[..., Watched], tmp_path: Path, how: list[str]) -> None:
    inside = tmp_path / "inside"
    (inside / "one").touch()
    (event,) = ring(FILES, *how, "link", "./one", "link/two").of("security_inode_link")
    assert (event["old_path"], event["new_path"]) == (f"{inside}/one", f"{inside}/folder/two")
    assert (event["inode"], event["dev"]) == identity(inside / "one")[:2]


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


# ---- reads and writes ----

TRANSFERS = ["vfs_read", "vfs_readv", "vfs_write", "vfs_writev"]
Transfer = tuple[str, int, int, int]


def transfers(seen: Watched, name: str) -> list[Transfer]:
    """Those of a file of that name, or of pipes: event, how much was asked for, position, result."""
    told = []
    for event in seen.events:
        args = {arg["name"]: arg["value"] for arg in event["args"]}
        if event["eventName"] not in TRANSFERS:
            continue
        if str(args["pathname"]).rpartition("/")[2].startswith(name):
            count = args["count"] if "count" in args else args["vlen"]
            told.append((event["eventName"], count, args["pos"], event["returnValue"]))
    return told


HOW = pytest.mark.parametrize(
    "how", [[], ["worker"], ["buffers"], ["files"]], ids=["plain", "by a worker", "buffers", "files"]
)


@HOW
def test_reads_and_writes(ring: Callable[..., Watched], tmp_path: Path, how: list[str]) -> None:
    words = "on one 66 write -1 hello write 7 abc writev 5 uv w readv -1 2 100 read 1 4 read 100 5"
    seen = ring(TRANSFERS, *how, *words.split())
    file = tmp_path / "inside" / "one"
    assert transfers(seen, "one") == [
        ("vfs_write", 5, 0, 5),
        ("vfs_write", 3, 7, 3),
        ("vfs_writev", 2, 5, 3),
        ("vfs_readv", 2, 5, 5),
        ("vfs_read", 4, 1, 4),
        ("vfs_read", 5, 100, 0),
    ]
    for event in seen.events:
        args = {arg["name"]: arg["value"] for arg in event["args"]}
        if args["pathname"] == str(file):
            assert (args["inode"], args["dev"]) == identity(file)[:2]
            assert event["processName"] == "deed"


def test_those_without_a_completion_are_told_as_asked(ring: Callable[..., Watched]) -> None:
    words = "on one 66 write 0 hello writev 5 ab cde read 0 3 readv 3 1 2"
    assert transfers(ring(TRANSFERS, "quiet", *words.split()), "one") == [
        ("vfs_write", 5, 0, 5),
        ("vfs_writev", 2, 5, 5),
        ("vfs_read", 3, 0, 3),
        ("vfs_readv", 2, 3, 3),
    ]


def test_pipes_have_no_position(ring: Callable[..., Watched]) -> None:
    words = "pipe write -1 hello read -1 5"
    told = transfers(ring(TRANSFERS, *words.split()), "pipe:")
    assert told[:2] == [("vfs_write", 5, 0, 5), ("vfs_read", 5, 0, 5)]


@pytest.mark.parametrize("how", [[], ["quiet"]], ids=["plain", "without a completion"])
def test_a_file_that_is_not_open_for_it(ring: Callable[..., Watched], how: list[str]) -> None:
    words = "on one 64 write 0 hello on two 65 write 0 hello read 0 5"
    seen = ring([*TRANSFERS, "magic_write"], *how, *words.split())
    assert transfers(seen, "one") == []
    assert transfers(seen, "two") == [("vfs_write", 5, 0, 5)]
    assert [str(event["pathname"]).rpartition("/")[2] for event in seen.of("magic_write")] == ["two"]


@pytest.mark.parametrize("how", [[], ["quiet"], ["files"]], ids=["plain", "without a completion", "files"])
def test_the_first_bytes_of_a_file(ring: Callable[..., Watched], tmp_path: Path, how: list[str]) -> None:
    inside = tmp_path / "inside"
    text = "#!/bin/sh-and-more-than-20-bytes"
    seen = ring(["magic_write"], *how, *f"on one 65 writev 0 {text} rest write 5 x on two 65 write 0 ELF".split())
    told = [(e["pathname"], e["bytes"], e["retval"]) for e in seen.of("magic_write")]
    assert told == [
        (f"{inside}/one", text[:20], len(text) + 4),
        (f"{inside}/two", "ELF", 3),
    ]


@pytest.mark.parametrize("how", [[], ["worker"], ["quiet"], ["files"]], ids=["plain", "worker", "quiet", "files"])
def test_changes(ring: Callable[..., Watched], tmp_path: Path, how: list[str]) -> None:
    inside = tmp_path / "inside"
    (inside / "one").touch()
    before = (inside / "one").stat().st_ctime_ns
    words = "on one 2 write 0 a write 1 b read 0 1 on one 2 writev 2 c d on two 64 write 0 refused pipe write 0 x"
    told = ring(["file_modification"], *how, *words.split()).of("file_modification")
    assert [e["file_path"] for e in told] == [f"{inside}/one"] * 2
    inode, device, changed = identity(inside / "one")
    assert {(e["inode"], e["dev"]) for e in told} == {(inode, device)}
    assert told[0]["old_ctime"] == before
    if "quiet" not in how:  # else it is told before it is done
        assert told[0]["new_ctime"] <= told[1]["old_ctime"] <= told[1]["new_ctime"] == changed


def test_a_file_that_is_opened_and_written_to_at_one_go(ring: Callable[..., Watched], tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    seen = ring(["file_modification", "magic_write", "vfs_write"], "chain", "one", "hello")
    assert [e["file_path"] for e in seen.of("file_modification")] == [f"{inside}/one"]
    assert [e["bytes"] for e in seen.of("magic_write")] == ["hello"]
    assert ("vfs_write", 5, 0, 5) in transfers(seen, "one")
