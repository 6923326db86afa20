"""What is read from files and written to them."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Tracee
from kernel_events import values, watch

TRANSFERS = ["vfs_read", "vfs_readv", "vfs_write", "vfs_writev"]

SCRIPT = """
fd = os.open('file', os.O_RDWR | os.O_CREAT)
os.write(fd, b'0123456789')
os.pwrite(fd, b'ab', 4)
os.writev(fd, [b'', b'xyz', b'uv'])
os.pwritev(fd, [b'AB', b'C'], 1)
os.lseek(fd, 2, 0)
os.read(fd, 3)
os.pread(fd, 100, 9)
os.readv(fd, [bytearray(4), bytearray(5)])
os.preadv(fd, [bytearray(2)], 7)
"""


def test_reads_and_writes(tracee: Tracee, tmp_path: Path) -> None:
    seen = watch(tracee, TRANSFERS, SCRIPT, cwd=tmp_path)
    file = os.stat(tmp_path / "file")

    def told(name: str) -> list[tuple[int, int, int]]:
        events = [e for e in seen.of(name) if e["pathname"] == f"{tmp_path}/file"]
        assert all((e["dev"], e["inode"]) == (file.st_dev, file.st_ino) for e in events)
        return [(e["count"] if "count" in e else e["vlen"], e["pos"], e["retval"]) for e in events]

    assert told("vfs_write") == [(10, 0, 10), (2, 4, 2)]
    assert told("vfs_writev") == [(3, 10, 5), (2, 1, 3)]
    assert told("vfs_read") == [(3, 2, 3), (100, 9, 6)]
    assert told("vfs_readv") == [(2, 5, 9), (1, 7, 2)]


PIPES = """
import socket
r, w = os.pipe()
os.write(w, b'hello')
os.readv(r, [bytearray(2), bytearray(9)])
a, b = socket.socketpair()
os.writev(a.fileno(), [b'x', b'y'])
os.read(b.fileno(), 3)
"""


def test_pipes_and_sockets_have_no_position(tracee: Tracee) -> None:
    seen = watch(tracee, TRANSFERS, PIPES)
    told = []
    for event in seen.events:
        args = values(event)
        if str(args["pathname"]).startswith(("pipe:", "socket:")):
            told.append((event["eventName"], args["pos"], event["returnValue"]))
    assert told == [("vfs_write", 0, 5), ("vfs_readv", 0, 5), ("vfs_writev", 0, 2), ("vfs_read", 0, 2)]


MAGIC = rb"""
fd = os.open('a', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'\x7fELF' + bytes(range(1, 40)))
os.write(fd, b'more')
os.writev(os.open(b'b\xff', os.O_WRONLY | os.O_CREAT), [b'', b'#!/bin/sh\n', b'rest'])
os.pwrite(os.open('c', os.O_WRONLY | os.O_CREAT), b'late', 5)
os.pwrite(os.memfd_create('hidden'), b'memory', 0)
r, w = os.pipe()
os.write(w, b'no file')
""".decode("latin-1")


def test_the_first_bytes_of_files(tracee: Tracee, tmp_path: Path) -> None:
    told = watch(tracee, ["magic_write"], MAGIC, cwd=tmp_path).of("magic_write")
    assert [(e["pathname"], e["bytes"], e["retval"]) for e in told] == [
        (f"{tmp_path}/a", "\x7fELF" + "".join(map(chr, range(1, 17))), 43),
        (rf"{tmp_path}/b\xff", "#!/bin/sh\n", 14),
        ("memfd:hidden", "memory", 6),
    ]
    assert told[0]["inode"] == os.stat(tmp_path / "a").st_ino


MOVED = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def splice(r, w, count, at=None):
    assert libc.splice(r, None, w, at if at is None else ctypes.byref(ctypes.c_int64(at)), count, 0) == count
def new(name):
    return os.open(name, os.O_WRONLY | os.O_CREAT)
source = os.open('source', os.O_RDONLY)
os.copy_file_range(source, new('copied'), 4, 0, 0)
os.copy_file_range(source, new('copied behind'), 4, 0, 3)
os.sendfile(new('sent'), source, 0, 4)
r, w = os.pipe()
os.write(w, b'more')
splice(r, new('spliced'), 2)
splice(r, new('spliced behind'), 2, at=5)
"""


def test_the_first_bytes_of_files_come_from_elsewhere(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"\x7fELF")
    told = watch(tracee, ["magic_write"], MOVED, cwd=tmp_path).of("magic_write")
    seen = {e["pathname"]: (e["retval"], e["inode"]) for e in told}
    expected = {"copied": 4, "sent": 4, "spliced": 2}
    assert seen == {f"{tmp_path}/{name}": (size, (tmp_path / name).stat().st_ino) for name, size in expected.items()}
