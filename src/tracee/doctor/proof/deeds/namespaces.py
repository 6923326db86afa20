"""Namespaces: tasks go into others."""

from __future__ import annotations

import os
import signal

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import CALL, INT80, Expected, deed, unproven

NEW_NAMES = 0x04000000
"""A namespace of host names, in which nothing can go wrong."""
OURS = "/proc/thread-self/ns/uts"


def _number() -> int:
    return os.stat(OURS).st_ino


@deed("switch_task_ns")
def unshare(place: Place, call: Caller) -> Expected:
    call("unshare", NEW_NAMES)
    return {"new_uts": _number(), "new_mnt": 0}


@deed("switch_task_ns")
def setns(place: Place, call: Caller) -> Expected:
    theirs = os.open(OURS, os.O_RDONLY)
    call("unshare", NEW_NAMES)
    call("setns", theirs, NEW_NAMES)
    return {"new_uts": os.fstat(theirs).st_ino, "new_mnt": 0}


@deed("switch_task_ns")
def setns_of_a_process(place: Place, call: Caller) -> Expected:
    theirs = _number()
    process = call("pidfd_open", os.getppid(), 0)
    call("unshare", NEW_NAMES)
    call("setns", process, NEW_NAMES)
    return {"new_uts": theirs}


@deed("switch_task_ns", by=[CALL, INT80], misses="made in other namespaces")
def clone(place: Place, call: Caller) -> Expected:
    reader, writer = os.pipe()
    child = call("clone", NEW_NAMES | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os.write(writer, str(_number()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return {"new_uts": int(os.read(reader, 20))}


unproven("it is told when tracing begins, and no deed is told by it", "init_namespaces")
