"""Files: opened, made, renamed, taken away, changed in what may be done with them."""

from __future__ import annotations

import os
import resource
import signal
import stat
import struct

from tracee.doctor.proof.calls import AT_FDCWD, Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import CALL, INT80, RINGS, Expected, deed, ring_deed
from tracee.doctor.proof.ring import Ring

OPENAT, OPENAT2, RENAMEAT, UNLINKAT, SYMLINKAT, LINKAT, FTRUNCATE = 18, 28, 35, 36, 38, 39, 55
"""Operations of an io_uring."""
AT_EMPTY_PATH = 0x1000

OPEN = "security_file_open"
TRUNCATE = "do_truncate"


def _how(flags: int) -> bytes:
    return struct.pack("=QQQ", flags, 0, 0)


@deed(OPEN)
def open_(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("open", path, os.O_RDWR)
    return {"pathname": path, "syscall_pathname": path}


@deed(OPEN)
def openat(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("openat", AT_FDCWD, "file", os.O_RDWR)
    return {"pathname": path, "syscall_pathname": "file", "file_name": "file"}


@deed(OPEN)
def openat2(place: Place, call: Caller) -> Expected:
    path = place.file()
    how = _how(os.O_RDWR)
    call("openat2", AT_FDCWD, path, how, len(how))
    return {"pathname": path, "syscall_pathname": path}


@deed(OPEN)
def creat(place: Place, call: Caller) -> Expected:
    path = place.path("new")
    call("creat", path, 0o600)
    return {"pathname": path, "syscall_pathname": path}


@deed(OPEN)
def open_by_handle_at(place: Place, call: Caller) -> Expected:
    path = place.file()
    handle = call.keep(struct.pack("=Ii", 128, 0) + bytes(128))
    call("name_to_handle_at", AT_FDCWD, path, handle, call.room(8), 0)
    call("open_by_handle_at", os.open(place.folder, os.O_RDONLY), handle, os.O_RDONLY)
    return {"pathname": path}


@deed(OPEN)
def open_through_proc(place: Place, call: Caller) -> Expected:
    path, fd = place.opened(os.O_RDONLY)
    asked = f"/proc/self/fd/{fd}"
    call("openat", AT_FDCWD, asked, os.O_RDWR)
    return {"pathname": path, "syscall_pathname": asked}


@deed(OPEN)
def open_without_a_name(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("openat", AT_FDCWD, folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    return {"syscall_pathname": folder}


@deed(OPEN, misses="opens that fail")
def open_that_fails(place: Place, call: Caller) -> Expected:
    path = place.path("pipe")
    os.mkfifo(path)
    # nobody reads it: found out when it has been allowed
    call.refused("openat", AT_FDCWD, path, os.O_WRONLY | os.O_NONBLOCK)
    return {"pathname": path}


@deed(OPEN, misses="that the kernel makes for a task", alone=True)
def mq_open(place: Place, call: Caller) -> Expected:
    call("mq_open", "proof", os.O_CREAT | os.O_RDWR, 0o600, None)
    return {"pathname": "/proof"}


@ring_deed(OPEN, by=RINGS)
def openat_(place: Place, ring: Ring) -> Expected:
    path = place.file()
    ring(OPENAT, AT_FDCWD, ring.call.keep(os.fsencode(path) + b"\0"), 0, flags=os.O_RDWR)
    return {"pathname": path, "syscall_pathname": path, "file_name": "file"}


@ring_deed(OPEN, by=RINGS)
def openat2_(place: Place, ring: Ring) -> Expected:
    path = place.file()
    how = ring.call.keep(_how(os.O_RDWR))
    ring(OPENAT2, AT_FDCWD, ring.call.keep(os.fsencode(path) + b"\0"), 24, offset=how)
    return {"pathname": path, "syscall_pathname": path}


# ---- taken away, renamed ----

UNLINK = "security_inode_unlink"
RENAME = "security_inode_rename"


def _unlinked(path: str) -> Expected:
    return {"pathname": path, "inode": os.stat(path).st_ino}


@deed(UNLINK)
def unlink(place: Place, call: Caller) -> Expected:
    expected = _unlinked(path := place.file())
    call("unlink", path)
    return expected


@deed(UNLINK)
def unlinkat(place: Place, call: Caller) -> Expected:
    expected = _unlinked(place.file())
    call("unlinkat", os.open(place.folder, os.O_RDONLY), "file", 0)
    return expected


@ring_deed(UNLINK, by=RINGS)
def unlinkat_(place: Place, ring: Ring) -> Expected:
    expected = _unlinked(path := place.file())
    ring(UNLINKAT, AT_FDCWD, ring.call.keep(os.fsencode(path) + b"\0"))
    return expected


def _renamed(place: Place) -> tuple[str, str, Expected]:
    old, new = place.file("old"), place.path("new")
    return old, new, {"old_path": old, "new_path": new}


@deed(RENAME)
def rename(place: Place, call: Caller) -> Expected:
    old, new, expected = _renamed(place)
    call("rename", old, new)
    return expected


@deed(RENAME)
def renameat(place: Place, call: Caller) -> Expected:
    old, new, expected = _renamed(place)
    call("renameat", AT_FDCWD, old, AT_FDCWD, new)
    return expected


@deed(RENAME)
def renameat2(place: Place, call: Caller) -> Expected:
    old, new, expected = _renamed(place)
    no_replacement = 1
    call("renameat2", AT_FDCWD, old, AT_FDCWD, new, no_replacement)
    return expected


@ring_deed(RENAME, by=RINGS)
def renameat_(place: Place, ring: Ring) -> Expected:
    old, new, expected = _renamed(place)
    old_at, new_at = (ring.call.keep(os.fsencode(path) + b"\0") for path in (old, new))
    ring(RENAMEAT, AT_FDCWD, old_at, AT_FDCWD, offset=new_at)
    return expected


# ---- made ----

SYMLINK = "security_inode_symlink"
LINK = "security_inode_link"
MKNOD = "security_inode_mknod"
TARGET = "/proof/../target"


@deed(SYMLINK)
def symlink(place: Place, call: Caller) -> Expected:
    path = place.path("link")
    call("symlink", TARGET, path)
    return {"linkpath": path, "target": TARGET}


@deed(SYMLINK)
def symlinkat(place: Place, call: Caller) -> Expected:
    path = place.path("link")
    call("symlinkat", TARGET, AT_FDCWD, path)
    return {"linkpath": path, "target": TARGET}


@ring_deed(SYMLINK, by=RINGS)
def symlinkat_(place: Place, ring: Ring) -> Expected:
    path = place.path("link")
    target, at = (ring.call.keep(os.fsencode(text) + b"\0") for text in (TARGET, path))
    ring(SYMLINKAT, AT_FDCWD, target, offset=at)
    return {"linkpath": path, "target": TARGET}


def _linked(place: Place) -> tuple[str, str, Expected]:
    old, new = place.file("old"), place.path("new")
    return old, new, {"old_path": old, "new_path": new, "inode": os.stat(old).st_ino}


@deed(LINK)
def link(place: Place, call: Caller) -> Expected:
    old, new, expected = _linked(place)
    call("link", old, new)
    return expected


@deed(LINK)
def linkat(place: Place, call: Caller) -> Expected:
    _, _, expected = _linked(place)
    call("linkat", os.open(place.folder, os.O_RDONLY), "old", AT_FDCWD, "new", 0)
    return expected


@deed(LINK)
def linkat_of_a_descriptor(place: Place, call: Caller) -> Expected:
    old, new, expected = _linked(place)
    call("linkat", os.open(old, os.O_RDONLY), "", AT_FDCWD, new, AT_EMPTY_PATH)
    return expected


@ring_deed(LINK, by=RINGS)
def linkat_(place: Place, ring: Ring) -> Expected:
    old, new, expected = _linked(place)
    old_at, new_at = (ring.call.keep(os.fsencode(path) + b"\0") for path in (old, new))
    ring(LINKAT, AT_FDCWD, old_at, AT_FDCWD, offset=new_at)
    return expected


@deed(MKNOD)
def mknod(place: Place, call: Caller) -> Expected:
    path = place.path("pipe")
    call("mknod", path, stat.S_IFIFO | 0o600, 0)
    return {"file_name": path}


@deed(MKNOD)
def mknodat(place: Place, call: Caller) -> Expected:
    path = place.path("pipe")
    call("mknodat", AT_FDCWD, path, stat.S_IFIFO | 0o600, 0)
    return {"file_name": path}


@deed(MKNOD, misses="sockets that bind makes")
def bind_a_name(place: Place, call: Caller) -> Expected:
    path = place.path("socket")
    address = struct.pack("=H", 1) + path.encode() + b"\0"
    call("bind", call("socket", 1, 1, 0), address, len(address))
    return {"file_name": path}


# ---- permissions, length, times ----

CHMOD = "chmod_common"


@deed(CHMOD)
def chmod(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("chmod", path, 0o640)
    return {"pathname": path}


@deed(CHMOD)
def fchmod(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("fchmod", fd, 0o640)
    return {"pathname": path}


@deed(CHMOD)
def fchmodat(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("fchmodat", AT_FDCWD, path, 0o640)
    return {"pathname": path}


@deed(CHMOD)
def fchmodat2(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("fchmodat2", fd, "", 0o640, AT_EMPTY_PATH)
    return {"pathname": path}


@deed(CHMOD, misses="access control list")
def setxattr(place: Place, call: Caller) -> Expected:
    path = place.file()
    owner, group, others, nobody = 1, 4, 0x20, 0xFFFFFFFF
    entries = ((owner, 6, nobody), (group, 4, nobody), (others, 0, nobody))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    call("setxattr", path, "system.posix_acl_access", acl, len(acl), 0)
    return {"pathname": path}


@deed(TRUNCATE)
def truncate(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("truncate", path, 3)
    return {"pathname": path, "length": 3}


@deed(TRUNCATE, by=[INT80])
def truncate64(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("truncate64", path, *call.wide(3))
    return {"pathname": path, "length": 3}


@deed(TRUNCATE)
def ftruncate(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("ftruncate", fd, 3)
    return {"pathname": path, "length": 3}


@deed(TRUNCATE, by=[INT80])
def ftruncate64(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("ftruncate64", fd, *call.wide(3))
    return {"pathname": path, "length": 3}


@deed(TRUNCATE)
def open_cut(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("open", path, os.O_WRONLY | os.O_TRUNC)
    return {"pathname": path, "length": 0}


@deed(TRUNCATE)
def openat_cut(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("openat", AT_FDCWD, path, os.O_WRONLY | os.O_TRUNC)
    return {"pathname": path, "length": 0}


@deed(TRUNCATE)
def openat2_cut(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("openat2", AT_FDCWD, path, _how(os.O_WRONLY | os.O_TRUNC), 24)
    return {"pathname": path, "length": 0}


@deed(TRUNCATE)
def creat_anew(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("creat", path, 0o600)
    return {"pathname": path, "length": 0}


@deed(TRUNCATE, by=[CALL, INT80], misses="truncations that fail")
def truncate_that_fails(place: Place, call: Caller) -> Expected:
    path = place.file()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    call.refused("truncate", path, 1 << 17)
    return {"pathname": path, "length": 1 << 17}


@ring_deed(TRUNCATE, by=RINGS)
def openat_cut_(place: Place, ring: Ring) -> Expected:
    path = place.file()
    ring(OPENAT, AT_FDCWD, ring.call.keep(os.fsencode(path) + b"\0"), 0, flags=os.O_WRONLY | os.O_TRUNC)
    return {"pathname": path, "length": 0}


@ring_deed(TRUNCATE, by=RINGS)
def ftruncate_(place: Place, ring: Ring) -> Expected:
    path, fd = place.opened()
    ring(FTRUNCATE, fd, offset=3)
    return {"pathname": path, "length": 3}


TIMES = "vfs_utimes"
SECONDS = 1_000_000_000
SET = {"atime": SECONDS * 10**9, "mtime": SECONDS * 10**9}


@deed(TIMES)
def utime(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("utime", path, call.words(SECONDS, SECONDS))
    return {"pathname": path, **SET}


@deed(TIMES)
def utimes(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("utimes", path, call.words(SECONDS, 0, SECONDS, 0))
    return {"pathname": path, **SET}


@deed(TIMES)
def futimesat(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("futimesat", AT_FDCWD, path, call.words(SECONDS, 0, SECONDS, 0))
    return {"pathname": path, **SET}


NEW_TIMES = struct.pack("=4q", SECONDS, 0, SECONDS, 0)


@deed(TIMES)
def utimensat(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("utimensat", AT_FDCWD, path, NEW_TIMES, 0)
    return {"pathname": path, **SET}


@deed(TIMES)
def utimensat_of_a_descriptor(place: Place, call: Caller) -> Expected:
    path, fd = place.opened()
    call("utimensat", fd, None, NEW_TIMES, 0)
    return {"pathname": path, **SET}


@deed(TIMES, by=[INT80])
def utimensat_time32(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("utimensat_time32", AT_FDCWD, path, call.words(SECONDS, 0, SECONDS, 0), 0)
    return {"pathname": path, **SET}
