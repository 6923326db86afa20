"""What is read from files and written to them."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import CALL, INT80, RINGS, THREAD, Expected, deed, ring_deed
from tracee.doctor.proof.ring import Ring

READV, WRITEV, READ, WRITE, SPLICE = 1, 2, 22, 23, 30
"""Operations of an io_uring."""
TEXT = b"proof"


def _pieces(call: Caller) -> bytes:
    """TEXT in two pieces, as a ``struct iovec[2]``."""
    return call.words(call.keep(TEXT[:2]), 2, call.keep(TEXT[2:]), len(TEXT) - 2)


# ---- reads and writes ----


@deed("vfs_write", "magic_write", "file_modification")
def write(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(content=b"")
    call("write", fd, TEXT, len(TEXT))
    return _written(path, {"count": len(TEXT), "pos": 0})


def _written(path: str, more: Expected) -> Expected:
    return {"pathname": path, "file_path": path, "bytes": TEXT.decode(), **more}


@deed("vfs_write", "magic_write", "file_modification")
def pwrite64(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(content=b"")
    call("pwrite64", fd, TEXT, len(TEXT), *call.wide(0))
    return _written(path, {"count": len(TEXT), "pos": 0})


@deed("vfs_writev", "magic_write", "file_modification")
def writev(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(content=b"")
    call("writev", fd, _pieces(call), 2)
    return _written(path, {"vlen": 2, "pos": 0, "bytes": TEXT[:2].decode()})


# by 32-bit programs the position comes in two registers, by others in one and a second that counts for nothing
@deed("vfs_writev", "magic_write", "file_modification")
def pwritev(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(content=b"")
    call("pwritev", fd, _pieces(call), 2, 0, 0)
    return _written(path, {"vlen": 2, "pos": 0, "bytes": TEXT[:2].decode()})


@deed("vfs_writev", "magic_write", "file_modification")
def pwritev2(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(content=b"")
    call("pwritev2", fd, _pieces(call), 2, 0, 0, 0)
    return _written(path, {"vlen": 2, "pos": 0, "bytes": TEXT[:2].decode()})


@deed("vfs_read")
def read(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("read", fd, call.room(8), 7)
    return {"pathname": path, "count": 7, "pos": 0, "retval": 7}


@deed("vfs_read")
def pread64(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("pread64", fd, call.room(8), 7, *call.wide(3))
    return {"pathname": path, "count": 7, "pos": 3, "retval": 7}


@deed("vfs_readv")
def readv(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("readv", fd, _pieces(call), 2)
    return {"pathname": path, "vlen": 2, "pos": 0, "retval": len(TEXT)}


@deed("vfs_readv")
def preadv(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("preadv", fd, _pieces(call), 2, 3, 0)
    return {"pathname": path, "vlen": 2, "pos": 3, "retval": len(TEXT)}


@deed("vfs_readv")
def preadv2(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("preadv2", fd, _pieces(call), 2, 3, 0, 0)
    return {"pathname": path, "vlen": 2, "pos": 3, "retval": len(TEXT)}


# ---- files that are changed in other ways ----


@deed("magic_write", "file_modification", misses="sendfile")
def sendfile(place: Place, call: Caller) -> Expected:
    source = os.open(place.file("source", TEXT), os.O_RDONLY)
    path, fd = place.opened(content=b"")
    call("sendfile", fd, source, None, len(TEXT))
    return _written(path, {})


@deed("magic_write", "file_modification", misses="copy_file_range")
def copy_file_range(place: Place, call: Caller) -> Expected:
    source = os.open(place.file("source", TEXT), os.O_RDONLY)
    path, fd = place.opened()
    call("copy_file_range", source, None, fd, None, len(TEXT), 0)
    return _written(path, {})


@deed("magic_write", "file_modification", misses="splice")
def splice_from_a_pipe(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    reader, writer = os.pipe()
    os.write(writer, TEXT)
    call("splice", reader, None, fd, call.keep(bytes(8)), len(TEXT), 0)
    return _written(path, {})


@deed("file_modification", misses="fallocate")
def fallocate(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("fallocate", fd, 0, *call.wide(0), *call.wide(8192))
    return {"file_path": path}


@deed("magic_write", "file_modification", by=[CALL], misses="through a mapping")
def mapped_write(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(content=bytes(mmap.PAGESIZE))
    with mmap.mmap(fd, mmap.PAGESIZE) as area:
        area[: len(TEXT)] = TEXT
        area.flush()
    return _written(path, {})


@deed("file_modification", misses=("cuts of a file", "other calls than write"))
def ftruncate(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("ftruncate", fd, 3)
    return {"file_path": path}


# ---- by io_uring ----


@ring_deed("vfs_write", "magic_write", "file_modification", by=RINGS)
def write_(place: Place, ring: Ring) -> Expected:
    path, fd = place.opened(content=b"")
    ring(WRITE, fd, ring.call.keep(TEXT), len(TEXT))
    return _written(path, {"count": len(TEXT), "pos": 0})


@ring_deed("vfs_writev", "magic_write", "file_modification", by=RINGS)
def writev_(place: Place, ring: Ring) -> Expected:
    path, fd = place.opened(content=b"")
    ring(WRITEV, fd, ring.call.keep(_pieces(ring.call)), 2)
    return _written(path, {"vlen": 2, "pos": 0, "bytes": TEXT[:2].decode()})


@ring_deed("vfs_read", by=RINGS)
def read_(place: Place, ring: Ring) -> Expected:
    path, fd = place.opened()
    ring(READ, fd, ring.call.room(8), 7, offset=3)
    return {"pathname": path, "count": 7, "pos": 3, "retval": 7}


@ring_deed("vfs_readv", by=RINGS)
def readv_(place: Place, ring: Ring) -> Expected:
    path, fd = place.opened()
    ring(READV, fd, ring.call.keep(_pieces(ring.call)), 2, offset=3)
    return {"pathname": path, "vlen": 2, "pos": 3, "retval": len(TEXT)}


# ---- pipes that would write to files (CVE-2022-0847): the harmless first half ----


def _used_pipe() -> tuple[int, int]:
    """A pipe, all of whose slots have been used."""
    reader, writer = os.pipe()
    for _ in range(fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) // mmap.PAGESIZE):
        os.write(writer, bytes(mmap.PAGESIZE))
        os.read(reader, mmap.PAGESIZE)
    return reader, writer


def _spliced(path: str, pipe: int) -> Expected:
    return {
        "inode_in": os.stat(path).st_ino,
        "in_file_path": path,
        "exposed_data_start_offset": 5,
        "exposed_data_len": 7,
        "inode_out": os.fstat(pipe).st_ino,
    }


@deed("dirty_pipe_splice")
def splice(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(os.O_RDONLY)
    _, pipe = _used_pipe()
    call("splice", fd, call.keep(struct.pack("=q", 5)), pipe, None, 7, 0)
    return _spliced(path, pipe)


@ring_deed("dirty_pipe_splice")
def splice_(place: Place, ring: Ring) -> Expected:
    path, fd = place.opened(os.O_RDONLY)
    _, pipe = _used_pipe()
    ring(SPLICE, pipe, 5, 7, offset=-1, second_fd=fd)
    return _spliced(path, pipe)


# ---- what the kernel reads and writes of its own accord ----


@deed("__kernel_write", by=[CALL, INT80], alone=True)
def acct(place: Place, call: Caller) -> Expected:
    """Accounts for the processes of a PID namespace of its own."""
    path = place.file("account", b"")
    inode = os.stat(path).st_ino
    new_pid_namespace = 0x20000000
    call("unshare", new_pid_namespace)

    def account() -> None:
        call("acct", path)
        call.child(lambda: None)
        call("acct", None)

    status = call.child(account)
    if status:
        raise OSError(os.waitstatus_to_exitcode(status), "acct: " + os.strerror(os.waitstatus_to_exitcode(status)))
    # the kernel opens it in a mount of its own, where it has no path
    return {"inode": inode}


@deed("security_kernel_read_file", "security_kernel_post_read_file", by=[CALL, THREAD, INT80])
def finit_module(place: Place, call: Caller) -> Expected:
    """Of a file that is no module, so that none is loaded."""
    path = place.file("no-module", b"not a module\n")
    call.refused("finit_module", os.open(path, os.O_RDONLY), "", 0)
    return {"pathname": path, "size": 13}
