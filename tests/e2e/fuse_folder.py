"""A file system in user space with one folder, in which one entry has an inode and one has none: fuse_folder.py PLACE.

Mounts it at PLACE in a namespace of its own, has a child list it, and ends.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import threading

INIT, GETATTR, OPENDIR, READDIR, RELEASEDIR = 26, 3, 27, 28, 29
NO_ANSWER = (2, 42)
"""FORGET, BATCH_FORGET"""
HEAD = struct.Struct("<IIQQIIII")  # length, operation, unique, node, uid, gid, pid, padding
READ = struct.Struct("<QQII")  # file handle, offset, size, flags
ATTRIBUTES = struct.Struct("<QII" + "Q" * 6 + "I" * 10)
NO_SUCH_OPERATION = 38
NEW_NAMESPACE, PRIVATE = 0x20000, 0x44000


def entry(inode: int, offset: int, name: bytes) -> bytes:
    text = struct.pack("<QQII", inode, offset, len(name), 8) + name
    return text + bytes(-len(text) % 8)


def answer(operation: int, body: bytes) -> bytes | None:
    """What is told of a request; None: that there is no such thing."""
    if operation == INIT:
        return struct.pack("<IIIIHHIIHHI", 7, 26, 65536, 0, 12, 10, 4096, 1, 0, 0, 0) + bytes(28)
    if operation == GETATTR:
        folder = (1, 4096, 8, 0, 0, 0)  # inode, size, blocks, times
        return ATTRIBUTES.pack(1, 0, 0, *folder, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
    if operation == OPENDIR:
        return struct.pack("<QII", 1, 0, 0)
    if operation == READDIR:
        _, offset, _, _ = READ.unpack_from(body)
        return b"" if offset else entry(7, 1, b"seen") + entry(0, 2, b"hidden")
    return b"" if operation == RELEASEDIR else None


def serve(device: int) -> None:
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return  # unmounted
        _, operation, unique, *_ = HEAD.unpack_from(request)
        if operation in NO_ANSWER:
            continue
        body = answer(operation, request[HEAD.size :])
        error, body = (0, body) if body is not None else (-NO_SUCH_OPERATION, b"")
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def main() -> None:
    place = os.fsencode(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
    assert libc.unshare(NEW_NAMESPACE) == 0
    assert libc.mount(None, b"/", None, PRIVATE, None) == 0
    assert libc.mount(b"folder", place, b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())
    threading.Thread(target=serve, args=(device,), daemon=True).start()
    child = os.fork()
    if child == 0:
        os.close(device)
        os.listdir(place)
        os._exit(0)
    os.waitpid(child, 0)
    assert libc.umount2(place, 2) == 0


main()
