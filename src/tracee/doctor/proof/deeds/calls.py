"""A few system calls as events of their own: all are taken at one place, so these stand for the rest."""

from __future__ import annotations

import os
import signal

from tracee.doctor.proof.calls import AT_FDCWD, Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import Expected, deed
from tracee.events import kinds


@deed("getppid")
def getppid(place: Place, call: Caller) -> Expected:
    return {"retval": call("getppid")}


@deed("openat")
def openat(place: Place, call: Caller) -> Expected:
    path = place.file()
    fd = call("openat", AT_FDCWD, path, os.O_RDONLY, 0)
    return {"dirfd": AT_FDCWD, "pathname": path, "retval": fd}


@deed("openat")
def openat_that_fails(place: Place, call: Caller) -> Expected:
    path = place.path("absent")
    call.refused("openat", AT_FDCWD, path, os.O_RDONLY, 0)
    return {"pathname": path, "retval": -2}


@deed("kill")
def kill(place: Place, call: Caller) -> Expected:
    nothing = 0
    call("kill", os.getpid(), nothing)
    return {"pid": os.getpid(), "sig": nothing, "retval": 0}


@deed("memfd_create")
def memfd_create(place: Place, call: Caller) -> Expected:
    return {"retval": call("memfd_create", "proof", 1)}


@deed("ptrace")
def ptrace(place: Place, call: Caller) -> Expected:
    """Of a process that is not there."""
    attach, nobody = 16, (1 << 22) + 1
    call.refused("ptrace", attach, nobody, 0, 0)
    return {"request": attach, "pid": nobody}


@deed("process_vm_readv")
def process_vm_readv(place: Place, call: Caller) -> Expected:
    size = 8
    ours, theirs = call.words(call.room(size), size), call.words(call.room(size), size)
    call("process_vm_readv", os.getpid(), ours, 1, theirs, 1, 0)
    return {"pid": os.getpid(), "retval": size}


@deed("execve")
def execve_that_fails(place: Place, call: Caller) -> Expected:
    path = place.path("absent")
    call.refused("execve", path, call.texts("proof", "a"), call.texts())
    return {"pathname": path, "argv": ["proof", "a"], "retval": -2}


@deed("rt_sigaction")
def rt_sigaction(place: Place, call: Caller) -> Expected:
    number = int(signal.SIGUSR2)
    call("rt_sigaction", number, None, None, 8)
    return {"signum": number, "retval": 0}


@deed("sys_enter", "sys_exit")
def any_call(place: Place, call: Caller) -> Expected:
    call("getppid")
    return {"syscall": kinds()["getppid"].id}
