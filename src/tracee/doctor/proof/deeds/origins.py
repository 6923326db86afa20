"""System calls from odd places."""

from __future__ import annotations

import ctypes
import platform

from tracee.doctor.proof.calls import PROT_READ, PROT_WRITE, Caller, map_code, map_memory
from tracee.doctor.proof.place import CannotBeDoneError, Place
from tracee.doctor.proof.registry import CALL, INT80, THREAD, Expected, deed

CODE = {
    # getppid, and back
    "x86_64": "b86e000000 0f05 c3",  # mov eax, getppid; syscall; ret
    "aarch64": "a81580d2 010000d4 c0035fd6",  # mov x8, getppid; svc 0; ret
}
PIVOT = {
    # getppid with the stack pointer at the first argument, and back
    "x86_64": "53 4889e3 4889fc b86e000000 0f05 4889dc 5b c3",
    # push rbx; mov rbx, rsp; mov rsp, rdi; mov eax, getppid; syscall; mov rsp, rbx; pop rbx; ret
    "aarch64": "e9030091 1f000091 a81580d2 010000d4 3f010091 c0035fd6",
    # mov x9, sp; mov sp, x0; mov x8, getppid; svc 0; mov sp, x9; ret
}


def _run(code: dict[str, str], *arguments: int) -> int:
    """Runs code in memory that no file stands behind; where it lies."""
    text = code.get(platform.machine())
    if text is None:
        raise CannotBeDoneError(f"there is no code for {platform.machine()}")
    at = map_code(bytes.fromhex(text))
    ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(at)(*(arguments or (0,)))
    return at


@deed("suspicious_syscall_source", by=[CALL, THREAD])
def code_without_a_file(place: Place, call: Caller) -> Expected:
    return {"vma_start": _run(CODE), "vma_type": "anonymous"}


@deed("suspicious_syscall_source", by=[INT80])
def code_without_a_file_(place: Place, call: Caller) -> Expected:
    """What makes the 32-bit calls is such code itself."""
    call("getppid")
    return {"vma_start": call.gate_at, "vma_type": "anonymous"}


@deed("stack_pivot", by=[CALL, THREAD])
def stack_in_other_memory(place: Place, call: Caller) -> Expected:
    call("getppid")
    stack = map_memory(1 << 16, PROT_READ | PROT_WRITE) + (1 << 15)
    _run(PIVOT, stack)
    return {"sp": stack}
