"""An io_uring, by system calls alone: one request at a time."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from tracee.doctor.proof.calls import MAP_SHARED, PROT_READ, PROT_WRITE, Caller, libc
from tracee.doctor.proof.place import CannotBeDoneError
from tracee.doctor.proof.registry import CALL, RING_POLLED, RING_WORKER

ENTRIES = 4
REQUEST = struct.Struct("<BBHiQQIIQHHiQQ")
"""``struct io_uring_sqe``: operation, flags, priority, descriptor, offset, address, length, flags of the operation,
user data, buffer, personality, second descriptor, third address, padding."""
PARAMETERS = struct.Struct("<10I 7IIQ 7IIQ")
"""``struct io_uring_params``: ten words, then where the parts of the two rings are."""
RESULT = struct.Struct("<QiI")
"""``struct io_uring_cqe``: user data, result, flags."""

_SETUP_POLLED = 2
_ENTER_WAIT, _ENTER_WAKE = 1, 2
_REQUEST_BY_WORKER = 1 << 4
_AT_RINGS, _AT_REQUESTS = 0, 0x10000000
_PAGE = os.sysconf("SC_PAGESIZE")
_KEY = 0x7072_6F6F_66


class Ring:
    """A ring of the current process. All memory stays until that ends, as a kernel may still use it."""

    def __init__(self, variant: str) -> None:
        """Has the kernel make it.

        Raises:
            CannotBeDoneError: this kernel gives none.
        """
        self.variant = variant
        self._polled = variant == RING_POLLED
        self._flags = _REQUEST_BY_WORKER if variant == RING_WORKER else 0
        self.call = Caller(CALL)
        at = self.call.keep(PARAMETERS.pack(0, 0, _SETUP_POLLED if self._polled else 0, 0, 50, *([0] * 23)))
        try:
            self.fd = self.call("io_uring_setup", ENTRIES, at)
        except OSError as error:
            raise CannotBeDoneError(f"this kernel gives no io_uring: {os.strerror(error.errno or 0)}") from error
        parameters = PARAMETERS.unpack(ctypes.string_at(at, PARAMETERS.size))
        requests, results = parameters[10:17], parameters[19:26]
        _, self._tail, self._mask, _, _, _, self._array = requests
        self._head, self._result_tail, self._result_mask, _, _, self._results, _ = results
        # both rings are one piece since 5.4, and so few entries need a page
        self._rings = self._map(_AT_RINGS)
        self._requests = self._map(_AT_REQUESTS)

    def _map(self, offset: int) -> int:
        at = libc.mmap(None, _PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self.fd, offset)
        if at in (None, ctypes.c_void_p(-1).value):
            raise CannotBeDoneError(f"an io_uring cannot be mapped: {os.strerror(ctypes.get_errno())}")
        return int(at)

    def _word(self, offset: int) -> ctypes.c_uint32:
        return ctypes.c_uint32.from_address(self._rings + offset)

    def __call__(
        self,
        operation: int,
        fd: int = 0,
        address: int = 0,
        length: int = 0,
        offset: int = 0,
        flags: int = 0,
        second_fd: int = 0,
        third_address: int = 0,
    ) -> int:
        """Makes a request and waits for it; its result. What the fields mean is up to the operation.

        Raises:
            OSError: the kernel refused.
        """
        entry = REQUEST.pack(
            operation,
            self._flags,
            0,
            fd,
            offset & (1 << 64) - 1,
            address & (1 << 64) - 1,
            length & 0xFFFFFFFF,
            flags,
            _KEY,
            0,
            0,
            second_fd,
            third_address,
            0,
        )
        tail = self._word(self._tail)
        slot = tail.value & self._word(self._mask).value
        ctypes.memmove(self._requests + slot * REQUEST.size, entry, REQUEST.size)
        self._word(self._array + 4 * slot).value = slot
        tail.value += 1
        # the call itself is the barrier between what is written before and after it
        self.call("io_uring_enter", self.fd, 1, 1, _ENTER_WAIT | (_ENTER_WAKE if self._polled else 0), None, 0)
        return self._take()

    def _take(self) -> int:
        head = self._word(self._head)
        if head.value == self._word(self._result_tail).value:
            raise OSError(errno.EIO, "io_uring: no result came")
        place = head.value & self._word(self._result_mask).value
        key, result, _ = RESULT.unpack(ctypes.string_at(self._rings + self._results + place * RESULT.size, RESULT.size))
        head.value += 1
        if key != _KEY:
            raise OSError(errno.EIO, "io_uring: a result of another request")
        if result < 0:
            raise OSError(-result, f"io_uring: {os.strerror(-result)}")
        return int(result)
