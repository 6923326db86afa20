"""BPF maps and programs, and kprobes: made, and gone with the process."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import CannotBeDoneError, Place
from tracee.doctor.proof.registry import Expected, deed

MAP_CREATE, PROG_LOAD, PROG_BY_ID, MAP_BY_ID, INFO = 0, 5, 13, 14, 15
ARRAY, SOCKET_FILTER = 2, 1
NAME = "proof"
SIZE = 128
"""Of the attributes that the call is given: longer than any that is used here."""


def _bpf(call: Caller, command: int, attributes: bytes) -> int:
    return call("bpf", command, attributes.ljust(SIZE, b"\0"), SIZE)


def _make_map(call: Caller) -> int:
    return _bpf(call, MAP_CREATE, struct.pack("=7I16s", ARRAY, 4, 8, 1, 0, 0, 0, NAME.encode()))


def _load(call: Caller, kind: int = SOCKET_FILTER) -> int:
    """Loads a program that does nothing."""
    instructions = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
    code, license = call.keep(instructions), call.keep(b"GPL\0")
    attributes = struct.pack("=IIQQIIQII16s", kind, 2, code, license, 0, 0, 0, 0, 0, NAME.encode())
    return _bpf(call, PROG_LOAD, attributes)


def _id(call: Caller, fd: int) -> int:
    info = call.room(256)
    _bpf(call, INFO, struct.pack("=IIQ", fd, 256, info))
    number: int = struct.unpack("=2I", ctypes.string_at(info, 8))[1]
    return number


@deed("security_bpf", "security_bpf_map")
def map_create(place: Place, call: Caller) -> Expected:
    fd = _make_map(call)
    return {"cmd": MAP_CREATE, "map_name": NAME, "map_id": _id(call, fd)}


@deed("security_bpf_map")
def map_get_fd_by_id(place: Place, call: Caller) -> Expected:
    number = _id(call, _make_map(call))
    place.ready()
    _bpf(call, MAP_BY_ID, struct.pack("=I", number))
    return {"map_id": number, "map_name": NAME}


@deed("security_bpf", "security_bpf_prog")
def prog_load(place: Place, call: Caller) -> Expected:
    fd = _load(call)
    told = {"cmd": PROG_LOAD, "name": NAME, "type": SOCKET_FILTER, "load": True}
    return {**told, "id": _id(call, fd)}


@deed("security_bpf_prog")
def prog_get_fd_by_id(place: Place, call: Caller) -> Expected:
    number = _id(call, _load(call))
    place.ready()
    _bpf(call, PROG_BY_ID, struct.pack("=I", number))
    return {"name": NAME, "id": number, "load": False}


RAW_TRACEPOINT, OPEN_RAW_TRACEPOINT = 17, 17
TRACEPOINT = "oom_score_adj_update"
"""That every kernel has, and seldom passes."""


@deed("bpf_attach")
def raw_tracepoint_open(place: Place, call: Caller) -> Expected:
    """Attached for as long as its descriptor is open."""
    name = call.keep(TRACEPOINT.encode() + b"\0")
    _bpf(call, OPEN_RAW_TRACEPOINT, struct.pack("=QI", name, _load(call, RAW_TRACEPOINT)))
    return {"prog_type": RAW_TRACEPOINT, "prog_name": NAME, "symbol_name": TRACEPOINT}


PROBED = "vfs_fallocate"
"""A function that every kernel has, and that little calls."""


@deed("kprobe_attach", "kallsyms_lookup_name")
def perf_event_open(place: Place, call: Caller) -> Expected:
    """A kprobe that does nothing but count, and goes with its descriptor."""
    kind = Path("/sys/bus/event_source/devices/kprobe/type")
    if not kind.exists():
        raise CannotBeDoneError("this kernel makes no kprobes for perf_event_open")
    symbol = call.keep(PROBED.encode() + b"\0")
    size = 112
    attributes = struct.pack("=IIQQQQQIIQQ", int(kind.read_text()), size, 0, 0, 0, 0, 0, 0, 0, symbol, 0)
    call("perf_event_open", attributes.ljust(size, b"\0"), -1, 0, -1, 8)
    return {"symbol_name": PROBED}
