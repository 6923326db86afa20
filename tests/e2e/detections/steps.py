"""What deeds are made of. For programs of their own: nothing but the standard library is imported."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys
import threading
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
NEW_NAMESPACE = {"mnt": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "net": 0x40000000}
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 1, 6
AT_FDCWD = -100
# the same numbers on x86_64 and arm64
OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, OPENAT2 = 428, 429, 430, 431, 432, 437
IS_X86 = platform.machine() == "x86_64"


def check(result: int, what: str) -> int:
    """Passes a result on; raises OSError where it says that the call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call(number: int, *arguments: int | bytes | None) -> int:
    """A system call by its number."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return check(libc.syscall(ctypes.c_long(number), *words), f"call {number}")


def unshare(*names: str) -> None:
    """Goes into new namespaces; mounts made from then on stay there."""
    check(libc.unshare(sum(NEW_NAMESPACE[name] for name in names)), "unshare")
    if "mnt" in names:
        mount("none", "/", None, MS_REC | MS_PRIVATE)


def mount(source: str, target: str, type_name: str | None, flags: int = 0, data: str = "") -> None:
    """mount(2)"""
    os.makedirs(target, exist_ok=True) if not os.path.lexists(target) else None
    kind = os.fsencode(type_name) if type_name else None
    options = data.encode() if data else None
    result = libc.mount(os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), options)
    check(result, f"mount {source} {target}")


def bind(source: str, target: str) -> None:
    """Shows a file or folder elsewhere."""
    if not os.path.lexists(target):
        os.makedirs(target) if os.path.isdir(source) else open(target, "w").close()
    mount(source, target, None, MS_BIND)


def openat2(path: str, flags: int) -> int:
    """openat2(2), relative to the working directory"""
    how = struct.pack("=QQQ", flags, 0, 0)
    return call(OPENAT2, AT_FDCWD, os.fsencode(path), how, len(how))


def in_thread(deed: Callable[[], object]) -> None:
    """Does it in another thread, and passes on what that raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            deed()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def connect(path: str) -> socket.socket:
    """Connects a Unix socket."""
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)
    return made


def hold() -> None:
    """Stays until who watches says that it has seen enough: it closes the standard input."""
    open(os.path.join(sys.argv[1], "held"), "w").close()
    sys.stdin.read()
