"""Programs of a few bytes, which end at once: nothing that is installed is needed to run one."""

from __future__ import annotations

import platform
import struct

_BASE = 0x400000
_BASE_WITH_LOADER = 0x10000000
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_LOAD, _INTERPRETER, _READ_EXECUTE, _READ = 1, 3, 5, 4
_PROGRAM_FILE = 2
_SIZE = 0x10000
"""Whole pages of any size: kernels before 6.7 write zeros to what is left of a loader's last page."""

_MACHINES = {
    # what ends with 0: the machine's number, and its code
    "x86_64": (62, bytes.fromhex("31ff b83c000000 0f05")),  # xor edi, edi; mov eax, exit; syscall
    "aarch64": (183, bytes.fromhex("000080d2 a80b80d2 010000d4")),  # mov x0, 0; mov x8, exit; svc 0
}


def program(loader: str | None = None) -> bytes:
    """A program's file.

    Args:
        loader: the path of the dynamic loader that it asks for, which may be such a program too.
    """
    machine, code = _MACHINES[platform.machine()]
    base = _BASE if loader is None else _BASE_WITH_LOADER
    text = loader.encode() + b"\0" if loader else b""
    count = 2 if loader else 1
    at = _HEADER.size + count * _SEGMENT.size
    size = _SIZE
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    entry = base + at + len(text)
    header = _HEADER.pack(
        identity, _PROGRAM_FILE, machine, 1, entry, _HEADER.size, 0, 0, _HEADER.size, _SEGMENT.size, count, 0, 0, 0
    )
    segments = _SEGMENT.pack(_LOAD, _READ_EXECUTE, 0, base, base, size, size, 0x10000)
    if loader:
        segments = _SEGMENT.pack(_INTERPRETER, _READ, at, base + at, base + at, len(text), len(text), 1) + segments
    return (header + segments + text + code).ljust(size, b"\0")
