"""Cgroups: one is made, gone into, and taken away again."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

from tracee.doctor.proof.calls import AT_FDCWD, Caller
from tracee.doctor.proof.place import Place, unique_name
from tracee.doctor.proof.registry import CALL, INT80, RINGS, Expected, deed, ring_deed, unproven
from tracee.doctor.proof.ring import Ring

MKDIRAT, UNLINKAT = 37, 36
REMOVE_FOLDER = 0x200
CLONE_INTO_CGROUP = 0x200000000


def _hierarchy(place: Place, call: Caller) -> Path:
    """The host's hierarchy, mounted here for us alone."""
    folder = place.subfolder("cgroups")
    call("mount", "proof", folder, "cgroup2", 0, None)
    return Path(folder)


class _Cgroup:
    """A new cgroup, for as long as it is needed."""

    def __init__(self, place: Place, call: Caller) -> None:
        self.path = _hierarchy(place, call) / unique_name("tracee-")
        self.path.mkdir()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *exception: object) -> None:
        self.path.rmdir()


def _told(path: Path) -> Expected:
    return {"cgroup_id": path.stat().st_ino, "hierarchy_id": 0}


@deed("cgroup_mkdir", "cgroup_rmdir", alone=True)
def mkdir(place: Place, call: Caller) -> Expected:
    path = _hierarchy(place, call) / unique_name("tracee-")
    call("mkdir", str(path), 0o700)
    expected = _told(path)
    call("rmdir", str(path))
    return expected


@deed("cgroup_mkdir", "cgroup_rmdir", alone=True)
def mkdirat(place: Place, call: Caller) -> Expected:
    path = _hierarchy(place, call) / unique_name("tracee-")
    call("mkdirat", AT_FDCWD, str(path), 0o700)
    expected = _told(path)
    call("unlinkat", AT_FDCWD, str(path), REMOVE_FOLDER)
    return expected


@ring_deed("cgroup_mkdir", "cgroup_rmdir", by=RINGS, alone=True)
def mkdirat_(place: Place, ring: Ring) -> Expected:
    path = _hierarchy(place, ring.call) / unique_name("tracee-")
    at = ring.call.keep(os.fsencode(path) + b"\0")
    ring(MKDIRAT, AT_FDCWD, at, 0o700)
    expected = _told(path)
    ring(UNLINKAT, AT_FDCWD, at, flags=REMOVE_FOLDER)
    return expected


def _join(place: Place, call: Caller, file: str) -> Expected:
    reader, writer = os.pipe()

    def join() -> None:
        fd = os.open(cgroup / file, os.O_WRONLY)
        call("write", fd, b"0", 1)
        os.write(writer, str(os.getpid()).encode())

    with _Cgroup(place, call) as cgroup:
        status = call.child(join)
    if status:
        raise OSError(os.waitstatus_to_exitcode(status), f"a cgroup's {file} takes nobody")
    return {"pid": int(os.read(reader, 20))}


@deed("cgroup_attach_task", alone=True)
def write_cgroup_procs(place: Place, call: Caller) -> Expected:
    return _join(place, call, "cgroup.procs")


@deed("cgroup_attach_task", by=[CALL, INT80], misses="made in a cgroup", alone=True)
def clone3_into_a_cgroup(place: Place, call: Caller) -> Expected:
    with _Cgroup(place, call) as cgroup:
        fd = os.open(cgroup, os.O_RDONLY)
        arguments = struct.pack("=11Q", CLONE_INTO_CGROUP, 0, 0, 0, int(signal.SIGCHLD), 0, 0, 0, 0, 0, fd)
        child = call("clone3", arguments, len(arguments))
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return {"pid": child}


unproven("it is told of containers, by what cgroup_mkdir and cgroup_rmdir tell", "container_create", "container_remove")
unproven("it is told when tracing begins, and no deed is told by it", "existing_container")
