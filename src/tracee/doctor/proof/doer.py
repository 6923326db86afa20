"""The process that does the deeds: each in a child of its own, one after the other, between two marks in the trace."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from tracee import _core
from tracee.doctor.proof.calls import Caller, end_with, libc, run
from tracee.doctor.proof.place import CannotBeDoneError, Place, unique_name
from tracee.doctor.proof.registry import CALL, INT80, RINGS, Deed, Expected
from tracee.doctor.proof.ring import Ring

MARK = 77
"""``getpriority(MARK, n)`` fails and does nothing; n says what begins or ends here."""
BEGINS, ENDS = 0, 1
"""What is added to twice the deed's number."""
DOER, ALL_DONE = 1 << 20, (1 << 20) + 1

_PATIENCE = 10_000
"""ms that a deed may take."""
_SET_NAME, _SET_DEATH_SIGNAL = 15, 1
_NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000  # of mounts, names, IPC, and the network
_RECURSIVE_PRIVATE = 0x4000 | 0x40000


class Done(NamedTuple):
    """A deed, and what came of it."""

    deed: Deed
    expected: Expected | None
    """What must be told; ``None``: it was not done."""
    why: str
    """Why it was not done."""


class Doer:
    """Does deeds when it is told to. Entered before the tracer is made, it is a process of one thread.

    However the ``with`` ends, the process has ended then, and its folder is gone.
    """

    def __init__(self, deeds: Sequence[Deed]) -> None:
        self.deeds = deeds
        self.comm = unique_name("tracee-")
        self.pid = 0
        self._folder = Path(tempfile.gettempdir()).resolve() / f"tracee-proof-{secrets.token_hex(4)}"
        self._said: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by close
        self._gate = -1

    def _start(self) -> None:
        self._folder.mkdir(0o700)
        gate, self._gate = os.pipe()
        us = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)
            end_with(CALL, lambda: _serve(self, gate, us))
        os.close(gate)

    @property
    def folder(self) -> Path:
        """Where the deeds are done."""
        return self._folder

    @property
    def scope(self) -> tuple[str, ...]:
        """Its children and what they make, for a plan."""
        return (f"comm={self.comm}", "follow")

    def go(self) -> None:
        """Lets it begin."""
        os.write(self._gate, b"g")

    def ended(self) -> bool:
        """Whether its process has ended."""
        return self.pid == 0 or self._waited(os.WNOHANG)

    def _waited(self, how: int) -> bool:
        if os.waitpid(self.pid, how)[0]:
            self.pid = 0
        return self.pid == 0

    def said(self) -> list[Done]:
        """What came of each deed, in order; of those that were not reached, too."""
        self._said.seek(0)
        words: dict[int, dict[str, Any]] = {line["index"]: line for line in map(json.loads, self._said)}
        unreached = {"why": "the process that does the deeds ended early"}
        lines = [words.get(index, unreached) for index in range(len(self.deeds))]
        return [
            Done(deed, line.get("expected"), line.get("why", "")) for deed, line in zip(self.deeds, lines, strict=True)
        ]

    def say(self, index: int, **words: object) -> None:
        """In a deed's process: says what came of it."""
        line = json.dumps({"index": index, **words}) + "\n"
        os.write(self._said.fileno(), line.encode())

    def close(self) -> None:
        """Ends it and takes its folder away, as far as they are there."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._waited(0)
        if self._gate >= 0:
            os.close(self._gate)
        self._said.close()
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def __enter__(self) -> Doer:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def tool(variant: str) -> Caller | Ring:
    """What a deed's function makes its calls or requests with."""
    return Ring(variant) if variant in RINGS else Caller(variant)


# ---- in the process itself ----


def _serve(doer: Doer, gate: int, parent: int) -> None:
    os.setsid()
    _control(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    name = ctypes.create_string_buffer(doer.comm.encode())
    _control(_SET_NAME, ctypes.addressof(name))
    alone = _go_alone(doer.folder)
    if not os.read(gate, 1):
        return
    _mark(DOER)
    impossible = {INT80: _trouble_of_int80()}
    for index, deed in enumerate(doer.deeds):
        why = impossible.get(deed.variant) or (alone if deed.alone else "")
        if why:
            doer.say(index, why=why)
        else:
            _have_done(doer, index, deed)
    _mark(ALL_DONE)


def _control(option: int, value: int) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), "prctl")


def _mark(number: int) -> None:
    libc.syscall(ctypes.c_long(_core.call_numbers(False)["getpriority"]), ctypes.c_long(MARK), ctypes.c_long(number))


def _go_alone(folder: Path) -> str:
    """Goes into namespaces of its own, where the folder is a file system in memory; why that cannot be, or nothing."""
    try:
        if libc.unshare(_NEW_NAMESPACES):
            raise OSError(ctypes.get_errno(), "unshare")
        if libc.mount(None, b"/", None, ctypes.c_ulong(_RECURSIVE_PRIVATE), None):
            raise OSError(ctypes.get_errno(), "mount /")
        if libc.mount(b"tracee-proof", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(0), None):
            raise OSError(ctypes.get_errno(), "mount tmpfs")
        _bring_up_loopback()
    except OSError as error:
        return f"namespaces of its own cannot be had here: {error.strerror}: {os.strerror(error.errno or 0)}"
    return ""


def _bring_up_loopback() -> None:
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, get_flags, asked), 16)
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh22x", b"lo", flags | up))


def _trouble_of_int80() -> str:
    """Why no 32-bit calls can be made; empty: they can."""
    try:
        caller = Caller(INT80)
    except CannotBeDoneError as error:
        return str(error)
    except OSError as error:
        return f"no code can be mapped that makes 32-bit calls: {error.strerror}"
    status = caller.child(lambda: caller("getppid"))
    return "" if status == 0 else "the kernel takes no 32-bit calls (CONFIG_IA32_EMULATION)"


def _have_done(doer: Doer, index: int, deed: Deed) -> None:
    """Has a child do a deed, and sees to it that nothing of it is left."""
    folder = doer.folder / str(index)
    folder.mkdir()
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        _do(doer, index, deed, folder)
    os.close(held)
    poll = select.poll()
    poll.register(alive, select.POLLIN)
    # what hangs up is the last descendant that ends
    late = not poll.poll(_PATIENCE)
    if late:
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    os.close(alive)
    _mark(2 * index + ENDS)
    if late:
        doer.say(index, why=f"it did not end within {_PATIENCE / 1000:g} s")
    elif status:
        doer.say(index, why=f"its process ended early, with wait status {status:#x}")


def _do(doer: Doer, index: int, deed: Deed, folder: Path) -> NoReturn:
    """A child's whole life."""
    os.setpgid(0, 0)
    _control(_SET_DEATH_SIGNAL, signal.SIGKILL)
    try:
        os.chdir(folder)
        with_this = tool(deed.variant)
        place = Place(folder, lambda: _mark(2 * index + BEGINS))
        place.ready()
        expected = run(deed.variant, lambda: deed.act(place, with_this))
        _mark(2 * index + ENDS)
        doer.say(index, expected=expected)
    except CannotBeDoneError as error:
        doer.say(index, why=str(error))
    except OSError as error:
        doer.say(index, why=f"the kernel refused: {f'{error.filename}: ' if error.filename else ''}{error.strerror}")
    except Exception as error:  # noqa: BLE001 - told to who reads the proof
        doer.say(index, why=f"the deed is at fault: {type(error).__name__}: {error}")
    os._exit(0)
