"""A file system in user space, one of whose entries has no inode number, as what hides files may make it look."""

from __future__ import annotations

import os
import struct
import threading

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import INT80, Expected, deed

INIT, GETATTR, OPENDIR, READDIR, RELEASEDIR = 26, 3, 27, 28, 29
NO_ANSWER = (2, 42)
"""FORGET, BATCH_FORGET"""
REQUEST = struct.Struct("<IIQQIIII")  # length, operation, number, node, uid, gid, pid, padding
ANSWER = struct.Struct("<IiQ")  # length, error, number
READ = struct.Struct("<QQII")  # handle, offset, size, flags
ATTRIBUTES = struct.Struct("<QII 6Q 10I")
NO_SUCH_OPERATION = -38
HIDDEN = "hidden"


def _entry(inode: int, offset: int, name: bytes) -> bytes:
    entry = struct.pack("<QQII", inode, offset, len(name), 8) + name
    return entry + bytes(-len(entry) % 8)


def _body(operation: int, asked: bytes) -> bytes | None:
    """What is told of a request; None: that there is no such thing."""
    if operation == INIT:
        return struct.pack("<IIIIHHIIHHI", 7, 26, 65536, 0, 12, 10, 4096, 1, 0, 0, 0) + bytes(28)
    if operation == GETATTR:
        inode_size_blocks_times = (1, 4096, 8, 0, 0, 0)
        return ATTRIBUTES.pack(1, 0, 0, *inode_size_blocks_times, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
    if operation == OPENDIR:
        return struct.pack("<QII", 1, 0, 0)
    if operation == READDIR:
        _, offset, _, _ = READ.unpack_from(asked)
        return b"" if offset else _entry(7, 1, b"seen") + _entry(0, 2, HIDDEN.encode())
    return b"" if operation == RELEASEDIR else None


def _serve(device: int) -> None:
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return  # it was unmounted
        _, operation, number, *_ = REQUEST.unpack_from(request)
        if operation in NO_ANSWER:
            continue
        body = _body(operation, request[REQUEST.size :])
        error = NO_SUCH_OPERATION if body is None else 0
        os.write(device, ANSWER.pack(ANSWER.size + len(body or b""), error, number) + (body or b""))


def _listed(place: Place, call: Caller, name: str, *, room: int = 4096, times: int = 1) -> Expected:
    """Lists such a folder in a child, by that call."""
    folder = place.subfolder()
    device = os.open("/dev/fuse", os.O_RDWR)
    call("mount", "proof", folder, "fuse", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0")
    threading.Thread(target=_serve, args=(device,), daemon=True).start()

    def look() -> None:
        os.close(device)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(times):
            call(name, fd, call.room(4096), room)

    status = call.child(look)
    call("umount2", folder, 2)
    if status:
        number = os.waitstatus_to_exitcode(status)
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return {"dirent_name": HIDDEN}


@deed("zeroed_inodes", alone=True)
def getdents64(place: Place, call: Caller) -> Expected:
    return _listed(place, call, "getdents64")


@deed("zeroed_inodes", alone=True)
def getdents(place: Place, call: Caller) -> Expected:
    return _listed(place, call, "getdents")


@deed("zeroed_inodes", by=[INT80], misses="readdir", alone=True)
def readdir(place: Place, call: Caller) -> Expected:
    """An entry each time."""
    return _listed(place, call, "readdir", room=1, times=2)
