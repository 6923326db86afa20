"""Credentials and capabilities: changed, and asked for."""

from __future__ import annotations

import os
import struct

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import INT80, Expected, deed

USER, GROUP = 54321, 54322
CHANGED = "commit_creds"
CAP_SETUID, CAP_SYS_CHROOT, CAP_SYS_ADMIN, CAP_SYS_NICE = 7, 18, 21, 23
NEW_USER_NAMESPACE = 0x10000000


def _becomes(**values: int) -> Expected:
    return {"new_cred": values}


@deed(CHANGED)
def setuid(place: Place, call: Caller) -> Expected:
    call("setuid", USER)
    return _becomes(uid=USER, euid=USER, suid=USER)


@deed(CHANGED, by=[INT80])
def setuid16(place: Place, call: Caller) -> Expected:
    call("setuid16", USER)
    return _becomes(uid=USER, euid=USER, suid=USER)


@deed(CHANGED)
def setgid(place: Place, call: Caller) -> Expected:
    call("setgid", GROUP)
    return _becomes(gid=GROUP, egid=GROUP, sgid=GROUP)


@deed(CHANGED)
def setreuid(place: Place, call: Caller) -> Expected:
    call("setreuid", USER, USER)
    return _becomes(uid=USER, euid=USER)


@deed(CHANGED)
def setresuid(place: Place, call: Caller) -> Expected:
    call("setresuid", USER, USER, 0)
    return _becomes(uid=USER, euid=USER, suid=0)


@deed(CHANGED)
def setresgid(place: Place, call: Caller) -> Expected:
    call("setresgid", GROUP, GROUP, 0)
    return _becomes(gid=GROUP, egid=GROUP, sgid=0)


@deed(CHANGED)
def setfsuid(place: Place, call: Caller) -> Expected:
    call("setfsuid", USER)
    return _becomes(fsuid=USER)


@deed(CHANGED)
def capset(place: Place, call: Caller) -> Expected:
    """Only CAP_SYS_CHROOT is left in use."""
    version = 0x20080522
    header, of = struct.pack("=Ii", version, 0), call.room(24)
    call("capget", header, of)
    one = 1 << CAP_SYS_CHROOT
    call("capset", header, struct.pack("=6I", one, one, 0, 0, 0, 0))
    return _becomes(cap_effective=one, cap_permitted=one, cap_inheritable=0)


@deed(CHANGED)
def prctl_securebits(place: Place, call: Caller) -> Expected:
    set_secure_bits, keep_capabilities = 28, 0x10
    call("prctl", set_secure_bits, keep_capabilities, 0, 0, 0)
    return _becomes(securebits=keep_capabilities)


@deed(CHANGED, by=["call", INT80])
def unshare_user(place: Place, call: Caller) -> Expected:
    call("unshare", NEW_USER_NAMESPACE)
    return _becomes(user_ns=os.stat("/proc/self/ns/user").st_ino)


@deed("cap_capable")
def setuid_(place: Place, call: Caller) -> Expected:
    call("setuid", USER)
    return {"cap": CAP_SETUID}


@deed("cap_capable")
def chroot(place: Place, call: Caller) -> Expected:
    call("chroot", str(place.folder))
    return {"cap": CAP_SYS_CHROOT}


@deed("cap_capable")
def setpriority(place: Place, call: Caller) -> Expected:
    call("setpriority", 0, 0, -1)
    return {"cap": CAP_SYS_NICE}


@deed("cap_capable", alone=True)
def sethostname(place: Place, call: Caller) -> Expected:
    call("sethostname", "proof", 5)
    return {"cap": CAP_SYS_ADMIN}
