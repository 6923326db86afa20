"""Files that are changed, and pipes that would change them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import watch

PAGE = 4096
CAN_MERGE = 0x10


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system on a disk, and one of tmpfs."""
    if request.param == "disk":
        yield tmp_path
        return
    made = tempfile.mkdtemp(dir="/dev/shm")
    yield Path(made)
    shutil.rmtree(made)


CHANGES = rb"""
fd = os.open(b'a\xff', os.O_RDWR | os.O_CREAT)
os.read(fd, 5)
for _ in range(3):
    os.write(fd, b'again')
other = os.dup(fd)
os.pwrite(other, b'the same open file', 2)
os.close(fd)
os.close(other)
fd = os.open(b'a\xff', os.O_RDWR)
os.writev(fd, [b'opened', b'anew'])
os.close(fd)

gone = os.open('gone', os.O_WRONLY | os.O_CREAT)
os.unlink('gone')
os.write(gone, b'x')
os.write(os.memfd_create('hidden'), b'x')

# nothing of these changes a regular file
unchanged = os.open('untouched', os.O_RDONLY | os.O_CREAT)
try:
    os.write(unchanged, b'x')
except OSError:
    pass
r, w = os.pipe()
os.write(w, b'x')
os.write(os.open('/dev/null', os.O_WRONLY), b'x')
""".decode("latin-1")


def test_a_change_is_told_once_for_each_open(tracee: Tracee, folder: Path) -> None:
    told = watch(tracee, ["file_modification"], CHANGES, cwd=folder).of("file_modification")
    assert [e["file_path"].removesuffix(" (deleted)") for e in told] == [
        rf"{folder}/a\xff",
        rf"{folder}/a\xff",
        f"{folder}/gone",
        "memfd:hidden",
    ]
    file = os.stat(os.fsencode(folder) + b"/a\xff")
    assert {(e["dev"], e["inode"]) for e in told[:2]} == {(file.st_dev, file.st_ino)}
    first, second = told[:2]
    assert first["old_ctime"] <= first["new_ctime"] <= second["old_ctime"] <= second["new_ctime"]
    # the second open's write was the file's last change
    assert second["new_ctime"] == file.st_ctime_ns


# the harmless first half of CVE-2022-0847: nothing is written to the pipe after the splice
SPLICE = f"""
import fcntl
file = os.open('file', os.O_RDONLY)
r, w = os.pipe()
os.splice(file, w, 10, offset_src=3)   # a new pipe, whose slots were never used
os.read(r, 100)
r, w = os.pipe()
for _ in range(fcntl.fcntl(w, fcntl.F_GETPIPE_SZ) // {PAGE}):
    os.write(w, b'.' * {PAGE})
    os.read(r, {PAGE})
os.splice(file, w, 7, offset_src=5)
os.read(r, 100)
os.lseek(file, 2, 0)
s, t = os.pipe()
for _ in range(fcntl.fcntl(t, fcntl.F_GETPIPE_SZ) // {PAGE}):
    os.write(t, b'.' * {PAGE})
    os.read(s, {PAGE})
os.splice(file, t, 1)
# from a pipe, and into a file: no page of a file is exposed
os.splice(s, w, 1)
os.splice(r, os.open('to', os.O_WRONLY | os.O_CREAT), 1)
open('pipes', 'w').write(f'{{os.fstat(w).st_ino}} {{os.fstat(t).st_ino}}')
"""


def test_a_splice_into_a_used_pipe(tracee: Tracee, folder: Path) -> None:
    (folder / "file").write_bytes(b"0123456789abcdef")
    told = watch(tracee, ["dirty_pipe_splice"], SPLICE, cwd=folder).of("dirty_pipe_splice")
    pipes = [int(word) for word in (folder / "pipes").read_text().split()]
    file = os.stat(folder / "file")
    assert all((e["inode_in"], e["in_file_path"]) == (file.st_ino, f"{folder}/file") for e in told)
    assert [e["in_file_type"] for e in told] == [0o100000] * 2
    assert [(e["exposed_data_start_offset"], e["exposed_data_len"], e["inode_out"]) for e in told] == [
        (5, 7, pipes[0]),
        (2, 1, pipes[1]),
    ]
    assert all(e["out_pipe_last_buffer_flags"] & CAN_MERGE for e in told)
