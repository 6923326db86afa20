"""Tasks: made, ended, renamed; what they set of themselves."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import threading
import time

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import CannotBeDoneError, Place, unique_name
from tracee.doctor.proof.registry import CALL, INT80, THREAD, Expected, deed

FORK = "sched_process_fork"
CLONE_VFORK = 0x4000
PROCESSES = (CALL, INT80)
"""Manners for what is about whole processes: a bare call in a thread makes one in which Python cannot run."""


def _wait_for(child: int) -> Expected:
    """Of a child that a bare call made: it ends at once."""
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return {"parent_ns_pid": os.getpid(), "child_ns_pid": child}


@deed(FORK, by=PROCESSES)
def fork(place: Place, call: Caller) -> Expected:
    return _wait_for(call("fork"))


@deed(FORK, by=PROCESSES)
def clone(place: Place, call: Caller) -> Expected:
    return _wait_for(call("clone", int(signal.SIGCHLD), 0, 0, 0, 0))


@deed(FORK, by=PROCESSES)
def clone_as_vfork(place: Place, call: Caller) -> Expected:
    return _wait_for(call("clone", CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0))


@deed(FORK, by=PROCESSES)
def clone3(place: Place, call: Caller) -> Expected:
    arguments = struct.pack("=8Q", 0, 0, 0, 0, int(signal.SIGCHLD), 0, 0, 0)
    return _wait_for(call("clone3", arguments, len(arguments)))


@deed(FORK, by=[THREAD])
def fork_of_python(place: Place, call: Caller) -> Expected:
    return _wait_for(os.fork())


@deed(FORK, by=[CALL])
def new_thread(place: Place, call: Caller) -> Expected:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return {"parent_ns_pid": os.getpid(), "child_ns_pid": os.getpid(), "child_ns_tid": thread.native_id}


# ---- ends ----

EXIT, GOES = "sched_process_exit", "do_exit"


@deed(EXIT, by=PROCESSES)
def exit_group(place: Place, call: Caller) -> Expected:
    call.child(lambda: call("exit_group", 3))
    return {"exit_code": 3, "signal_code": 0, "process_group_exit": True}


@deed(EXIT, by=PROCESSES)
def exit_(place: Place, call: Caller) -> Expected:
    call.child(lambda: call("exit", 5))
    return {"exit_code": 5, "signal_code": 0}


@deed(EXIT, by=PROCESSES)
def kill(place: Place, call: Caller) -> Expected:
    call.child(lambda: call("kill", os.getpid(), int(signal.SIGKILL)))
    return {"exit_code": 0, "signal_code": int(signal.SIGKILL)}


@deed(GOES, by=PROCESSES)
def exit_group_(place: Place, call: Caller) -> Expected:
    return {"retval": call.child(lambda: call("exit_group", 3))}


@deed(GOES, by=PROCESSES)
def exit__(place: Place, call: Caller) -> Expected:
    return {"retval": call.child(lambda: call("exit", 5))}


@deed(GOES, by=PROCESSES)
def kill_(place: Place, call: Caller) -> Expected:
    return {"retval": call.child(lambda: call("kill", os.getpid(), int(signal.SIGKILL)))}


# ---- names ----

SET_NAME = 15


@deed("task_rename")
def prctl_name(place: Place, call: Caller) -> Expected:
    name = unique_name("proof-")
    call("prctl", SET_NAME, name, 0, 0, 0)
    return {"new_name": name}


@deed("task_rename")
def write_comm(place: Place, call: Caller) -> Expected:
    name = unique_name("proof-").encode()
    call("write", os.open("/proc/thread-self/comm", os.O_WRONLY), name, len(name))
    return {"new_name": name.decode()}


# ---- signals, limits, properties, clocks ----

IGNORED, IGNORE = int(signal.SIGUSR2), 1
ACTION: Expected = {"sig": IGNORED, "is_sa_initialized": True, "sa_handle_method": 1}


@deed("do_sigaction")
def rt_sigaction(place: Place, call: Caller) -> Expected:
    handler_flags_restorer, mask = call.words(IGNORE, 0, 0), bytes(8)
    call("rt_sigaction", IGNORED, handler_flags_restorer + mask, None, 8)
    return ACTION


@deed("do_sigaction", by=[INT80])
def sigaction(place: Place, call: Caller) -> Expected:
    call("sigaction", IGNORED, call.words(IGNORE, 0, 0, 0), None)
    return ACTION


@deed("do_sigaction", by=[INT80])
def signal_(place: Place, call: Caller) -> Expected:
    call("signal", IGNORED, IGNORE)
    return ACTION


LIMIT: Expected = {"resource": resource.RLIMIT_CORE, "new_rlim_cur": 0, "new_rlim_max": 4096}


@deed("security_task_setrlimit")
def setrlimit(place: Place, call: Caller) -> Expected:
    call("setrlimit", resource.RLIMIT_CORE, call.words(0, 4096))
    return LIMIT


@deed("security_task_setrlimit")
def prlimit64(place: Place, call: Caller) -> Expected:
    call("prlimit64", 0, resource.RLIMIT_CORE, struct.pack("=2Q", 0, 4096), None)
    return LIMIT


@deed("security_task_prctl")
def prctl(place: Place, call: Caller) -> Expected:
    set_timer_slack = 29
    call("prctl", set_timer_slack, 54321, 0, 0, 0)
    return {"option": set_timer_slack, "arg2": 54321}


def _time_zone(call: Caller) -> bytes:
    """As it is, so that setting it changes nothing."""
    now = call.room(8)
    call("gettimeofday", None, now)
    zone = ctypes.string_at(now, 8)
    if any(zone):
        raise CannotBeDoneError("the kernel's time zone is set, and to set it again could move the clock")
    return zone


@deed("security_settime64")
def settimeofday(place: Place, call: Caller) -> Expected:
    call("settimeofday", None, _time_zone(call))
    return {"tz_minuteswest": 0, "tz_dsttime": 0}


@deed("security_settime64", by=[CALL, THREAD], misses="settings that were refused")
def clock_settime_that_is_refused(place: Place, call: Caller) -> Expected:
    """By who may not: the clock is not touched."""
    os.setresuid(65534, 65534, 65534)
    seconds = int(time.time())
    call.refused("clock_settime", 0, call.words(seconds, 0))
    return {"tv_sec": seconds, "tv_nsec": 0}


@deed("security_settime64", by=[INT80], misses="settings that were refused")
def clock_settime32_that_is_refused(place: Place, call: Caller) -> Expected:
    os.setresuid(65534, 65534, 65534)
    seconds = int(time.time())
    call.refused("clock_settime32", 0, call.words(seconds, 0))
    return {"tv_sec": seconds, "tv_nsec": 0}


@deed("sched_switch", by=[CALL, THREAD])
def nanosleep(place: Place, call: Caller) -> Expected:
    name = unique_name("proof-")
    call("prctl", SET_NAME, name, 0, 0, 0)
    call("nanosleep", call.words(0, 1_000_000), None)
    return {"prev_comm": name}
