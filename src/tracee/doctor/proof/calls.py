"""System calls by name, as this machine's programs make them and as 32-bit ones do; no compiler is needed."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import threading
from collections.abc import Callable
from functools import cache

from tracee import _core
from tracee.doctor.proof.place import CannotBeDoneError
from tracee.doctor.proof.registry import INT80, THREAD

Argument = int | str | bytes | None
"""A number; a text, passed by address and ended with a 0; bytes, passed by address as they are; a null."""

AT_FDCWD = -100
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_32BIT = 1, 2, 0x20, 0x40
_ROOM = 1 << 18
_LAST_ERROR = 4095

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]

GATE32 = bytes.fromhex(
    "53 55"  # push rbx; push rbp
    "48 89 f8"  # mov rax, rdi: the number
    "8b 1e 8b 4e 08 8b 56 10"  # mov ebx, [rsi]; mov ecx, [rsi + 8]; mov edx, [rsi + 16]
    "8b 7e 20 8b 6e 28 8b 76 18"  # mov edi, [rsi + 32]; mov ebp, [rsi + 40]; mov esi, [rsi + 24]
    "cd 80 48 98"  # int 0x80; cdqe
    "5d 5b c3"  # pop rbp; pop rbx; ret
)
"""``long gate(long number, long arguments[6])`` in x86-64's code."""


def map_memory(size: int, protection: int, flags: int = 0) -> int:
    """The address of new memory of its own.

    Raises:
        OSError: the kernel gives none.
    """
    at = libc.mmap(None, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0)
    if at in (None, ctypes.c_void_p(-1).value):
        number = ctypes.get_errno()
        raise OSError(number, f"mmap: {os.strerror(number)}")
    return int(at)


def map_code(code: bytes) -> int:
    """The address of memory that holds this code and may be executed, never while it can be written."""
    at = map_memory(4096, PROT_READ | PROT_WRITE)
    ctypes.memmove(at, code, len(code))
    if libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(4096), PROT_READ | PROT_EXEC):
        number = ctypes.get_errno()
        raise OSError(number, f"mprotect: {os.strerror(number)}")
    return at


@cache
def _numbers(compat: bool) -> dict[str, int]:
    return _core.call_numbers(compat)


class Caller:
    """Makes system calls in one manner. What it is given to point at stays where it is until the process ends."""

    def __init__(self, variant: str) -> None:
        """Prepares.

        Raises:
            CannotBeDoneError: there is no such manner on this machine.
        """
        self.variant = variant
        self.compat = variant == INT80
        if self.compat and platform.machine() != "x86_64":
            raise CannotBeDoneError("32-bit calls are made from 64-bit code on x86_64 alone")
        self._free = map_memory(_ROOM, PROT_READ | PROT_WRITE, MAP_32BIT if self.compat else 0)
        self._end = self._free + _ROOM
        self.gate_at = map_code(GATE32) if self.compat else 0
        gate = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_void_p)
        self._gate = gate(self.gate_at) if self.compat else None

    def __call__(self, name: str, *arguments: Argument) -> int:
        """Makes the call of that name; what it returns.

        Raises:
            CannotBeDoneError: there is no such call in this manner.
            OSError: the kernel refused.
        """
        number = _numbers(self.compat).get(name)
        if number is None:
            raise CannotBeDoneError(f"there is no system call {name} by {self.variant} on this machine")
        words = [self._word(argument) for argument in arguments]
        if self._gate:
            passed = (ctypes.c_long * 6)(*words)
            result = self._gate(number, ctypes.addressof(passed))
            failed, error = -_LAST_ERROR <= result < 0, -result
        else:
            result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, words))
            failed, error = result == -1, ctypes.get_errno()
        if failed:
            raise OSError(error, f"{name}: {os.strerror(error)}")
        return int(result)

    def refused(self, name: str, *arguments: Argument) -> None:
        """Makes a call that must fail.

        Raises:
            CannotBeDoneError: it did not.
        """
        try:
            self(name, *arguments)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                raise
            return
        raise CannotBeDoneError(f"{name} did not fail, as it should")

    def _word(self, argument: Argument) -> int:
        if argument is None:
            return 0
        if isinstance(argument, int):
            return argument
        return self.keep(argument if isinstance(argument, bytes) else os.fsencode(argument) + b"\0")

    def keep(self, content: bytes) -> int:
        """The address of a copy, in memory that such a call can point at."""
        at = self.room(len(content))
        ctypes.memmove(at, content, len(content))
        return at

    def room(self, size: int) -> int:
        """The address of so many bytes for the kernel to write to."""
        at, self._free = self._free, self._free + (size + 15 & ~15)
        if self._free > self._end:
            raise MemoryError("a deed wants more room than there is")
        return at

    def words(self, *numbers: int) -> bytes:
        """Numbers as such a program's ``long[]``; pointers too."""
        return struct.pack(f"={len(numbers)}{'i' if self.compat else 'q'}", *map(self._signed, numbers))

    def _signed(self, number: int) -> int:
        half = 1 << (31 if self.compat else 63)
        return (number + half) % (2 * half) - half

    def texts(self, *texts: str) -> bytes:
        """Texts as an ``argv``."""
        return self.words(*(self.keep(os.fsencode(text) + b"\0") for text in texts), 0)

    def wide(self, number: int) -> tuple[int, ...]:
        """A 64-bit argument: one register, or two."""
        return (number & 0xFFFFFFFF, number >> 32) if self.compat else (number,)

    def child(self, act: Callable[[], object]) -> int:
        """Does something in a child process, in this manner, and waits for it; its wait status."""
        child = os.fork()
        if child == 0:
            end_with(self.variant, act)
        return os.waitpid(child, 0)[1]


def end_with(variant: str, act: Callable[[], object]) -> None:
    """Does something and ends the process: with 0, or with the number of the error that the kernel gave."""
    status = 1
    try:
        run(variant, act)
        status = 0
    except OSError as error:
        status = error.errno or 1
    finally:
        os._exit(status)


def run(variant: str, act: Callable[[], object]) -> object:
    """Does something: in a thread of its own, where that is the manner. What it raises is raised here."""
    if variant != THREAD:
        return act()
    result: list[object] = []
    trouble: list[BaseException] = []

    def body() -> None:
        try:
            result.append(act())
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that waits
            trouble.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return result[0]
