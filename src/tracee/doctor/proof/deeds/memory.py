"""Memory: mapped, and made what exploits want."""

from __future__ import annotations

import mmap
import os
import struct

from tracee.doctor.proof.calls import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    Caller,
)
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import INT80, Expected, deed, unproven

MAP = ("do_mmap", "security_mmap_file")
PAGE = mmap.PAGESIZE
LENGTH = 5 * PAGE
REMAPPED = MAP_SHARED | 0x10 | 0x8000
"""At a place, and filled: as the kernel maps for remap_file_pages."""
RW, RX, RWX = PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC


def map_pages(call: Caller, length: int, protection: int, flags: int, fd: int = -1, page: int = 0) -> int:
    """Maps by the call that a program of that kind makes; the address."""
    if call.compat:
        return call("mmap2", None, length, protection, flags, fd, page) & 0xFFFFFFFF
    return call("mmap", None, length, protection, flags, fd, page * PAGE)


def _pages(place: Place, count: int) -> tuple[str, int]:
    return place.opened(content=bytes(count * PAGE))


@deed(*MAP)
def mmap_file(place: Place, call: Caller) -> Expected:
    path, fd = _pages(place, 5)
    address = map_pages(call, LENGTH, PROT_READ, MAP_PRIVATE, fd)
    return {"addr": address, "pathname": path, "len": LENGTH, "prot": PROT_READ, "pgoff": 0}


@deed("do_mmap")
def mmap_anonymous(place: Place, call: Caller) -> Expected:
    address = map_pages(call, LENGTH, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    return {"addr": address, "len": LENGTH, "prot": RW}


@deed(*MAP, by=[INT80])
def mmap_of_old(place: Place, call: Caller) -> Expected:
    path, fd = _pages(place, 5)
    arguments = struct.pack("=6i", 0, LENGTH, PROT_READ, MAP_PRIVATE, fd, 0)
    address = call("mmap", arguments) & 0xFFFFFFFF
    return {"addr": address, "pathname": path, "len": LENGTH, "prot": PROT_READ}


@deed(*MAP, misses="remap_file_pages")
def remap_file_pages(place: Place, call: Caller) -> Expected:
    path, fd = _pages(place, 3)
    address = map_pages(call, 3 * PAGE, RW, MAP_SHARED, fd)
    call("remap_file_pages", address, PAGE, 0, 2, 0)
    return {"pathname": path, "len": PAGE, "pgoff": 2, "prot": RW, "mmap_flags": REMAPPED}


@deed("do_mmap", misses="shmat", alone=True)
def shmat(place: Place, call: Caller) -> Expected:
    private, create, remove = 0, 0o1600, 0
    segment = call("shmget", private, LENGTH, create)
    call("shmat", segment, None, 0)
    call("shmctl", segment, remove, None)
    return {"len": LENGTH, "prot": RW}


@deed(*MAP, "security_file_open", misses=("at exec",))
def execve(place: Place, call: Caller) -> Expected:
    """A program's own file, which the kernel opens and maps as it begins."""
    path = place.program()
    call.child(lambda: call("execve", path, call.texts("program"), call.texts()))
    return {"pathname": path}


@deed("shared_object_loaded", by=["call"])
def mmap_code(place: Place, call: Caller) -> Expected:
    path, fd = _pages(place, 1)
    map_pages(call, PAGE, RX, MAP_PRIVATE, fd)
    return {"pathname": path, "inode": os.stat(path).st_ino}


@deed("shared_object_loaded", misses="the dynamic loader")
def execve_with_a_loader(place: Place, call: Caller) -> Expected:
    loader = place.program("loader")
    program = place.program("program", loader)
    call.child(lambda: call("execve", program, call.texts("program"), call.texts()))
    return {"pathname": loader}


# ---- protection ----

PROTECT = "security_file_mprotect"
ALERT = "mem_prot_alert"


@deed(PROTECT, ALERT)
def mprotect(place: Place, call: Caller) -> Expected:
    address = map_pages(call, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    call("mprotect", address, PAGE, RX)
    return {"addr": address, "len": PAGE, "prot": RX, "prev_prot": RW, "alert": 4}


@deed(PROTECT, ALERT)
def pkey_mprotect(place: Place, call: Caller) -> Expected:
    """With no key in particular, so that no processor lacks it."""
    address = map_pages(call, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    call("pkey_mprotect", address, PAGE, RX, -1)
    return {"addr": address, "len": PAGE, "prot": RX, "prev_prot": RW, "alert": 4, "pkey": -1}


@deed(PROTECT, ALERT, misses="changes by calls")
def mprotect_that_fails_midway(place: Place, call: Caller) -> Expected:
    """Where nothing is mapped behind what it changes."""
    address = map_pages(call, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    call("munmap", address + PAGE, PAGE)
    call.refused("mprotect", address, 2 * PAGE, RX)
    return {"addr": address, "prot": RX, "prev_prot": RW, "alert": 4}


@deed(ALERT)
def mmap_to_write_and_execute(place: Place, call: Caller) -> Expected:
    address = map_pages(call, LENGTH, RWX, MAP_PRIVATE | MAP_ANONYMOUS)
    return {"addr": address, "len": LENGTH, "prot": RWX, "alert": 1}


unproven("it shows what filters name, and no deed is told by it", "print_mem_dump")
