"""Folders: gone to, listed, watched."""

from __future__ import annotations

import fcntl
import os

from tracee.doctor.proof.calls import AT_FDCWD, Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import Expected, deed

WATCH = ("inotify_watch", "security_path_notify")
MODIFIED, MOUNT_NAMESPACE = 2, 0x20000


@deed("set_fs_pwd")
def chdir(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("chdir", "folder")
    return {"unresolved_path": "folder", "resolved_path": folder}


@deed("set_fs_pwd")
def fchdir(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("fchdir", os.open(folder, os.O_RDONLY))
    return {"resolved_path": folder}


@deed("set_fs_pwd", misses="mount namespace", alone=True)
def setns_of_mounts(place: Place, call: Caller) -> Expected:
    """Another namespace of mounts puts a process into its root."""
    reader, writer = os.pipe()
    ours = os.open("/proc/self/ns/mnt", os.O_RDONLY)

    def enter() -> None:
        call("unshare", MOUNT_NAMESPACE)
        call("setns", ours, MOUNT_NAMESPACE)
        os.write(writer, os.readlink(b"/proc/thread-self/cwd"))

    status = call.child(enter)
    if status:
        raise OSError(os.waitstatus_to_exitcode(status), "setns")
    return {"resolved_path": os.fsdecode(os.read(reader, 4096))}


@deed(*WATCH)
def inotify_add_watch(place: Place, call: Caller) -> Expected:
    path = place.file()
    call("inotify_add_watch", call("inotify_init1", 0), path, MODIFIED)
    return {"pathname": path, "inode": os.stat(path).st_ino}


@deed("security_path_notify")
def fanotify_mark(place: Place, call: Caller) -> Expected:
    path = place.file()
    add = 1
    group = call("fanotify_init", 0, os.O_RDONLY)
    call("fanotify_mark", group, add, *call.wide(MODIFIED), AT_FDCWD, path)
    return {"pathname": path, "inode": os.stat(path).st_ino}


@deed("security_path_notify", misses="dnotify")
def fcntl_notify(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("fcntl", os.open(folder, os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_MODIFY)
    return {"pathname": folder, "inode": os.stat(folder).st_ino}
