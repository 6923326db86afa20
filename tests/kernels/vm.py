"""Boots a kernel under qemu's emulator and runs a command there.

The guest's root is the host's, read-only, so that programs, the checkout and its .venv are where they are here; /tmp
and /run are the guest's own, in memory. A guest of another architecture has a root of its own (foreign.py), with the
checkout where it is here. The emulator needs no privilege and no hardware, and is 10 to 15 times slower
than the machine: a guest's first command runs after some seconds.
"""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from debian import Kernel
from initrd import initrd

__all__ = ["CHECKOUT", "LSM", "Guest", "Machine", "VmError"]

CHECKOUT = Path(__file__).parents[2]

LSM = "landlock,lockdown,yama,integrity,bpf"
"""Debian's, and BPF's."""

FAST = (
    "mitigations=off nokaslr random.trust_cpu=1 cryptomgr.notests audit=0 nowatchdog rcupdate.rcu_expedited=1 quiet"
    " loglevel=1"
)
"""What the emulated machine is not asked to do; saves half of the boot. Watchdogs would only find the emulator slow."""


@dataclass(frozen=True)
class Board:
    """What is emulated of an architecture."""

    emulator: str
    machine: str
    cpu: str
    console: str
    fast: str = ""
    """more that it is not asked to do"""


BOARDS = {
    # five levels of page tables only cost time
    "amd64": Board("qemu-system-x86_64", "q35", "max,la57=off", "ttyS0", "no_timer_check tsc=reliable i8042.noaux"),
    # the newest that signs no pointers, which takes the emulator long
    "arm64": Board("qemu-system-aarch64", "virt", "neoverse-n1", "ttyAMA0"),
}
"""By Debian's names of architectures."""

BOOTS = 3
"""How often a boot is tried: the emulator hangs now and then before the kernel's first line."""

BOOT_TIME = 60.0  # seconds until the guest's root must be there

TAIL = 3000  # characters of the console that are shown when a guest fails


class VmError(Exception):
    """The guest did not come to its end; says why, with the last lines of its console.

    Attributes:
        report: what the command had reported by then.
    """

    def __init__(self, message: str, report: str = "") -> None:
        super().__init__(message)
        self.report = report


def interpreted(program: Path) -> bool:
    """Whether a 64-bit program needs a dynamic linker: it has a header of type PT_INTERP, which is 3."""
    data = program.read_bytes()
    (first,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return any(struct.unpack_from("<I", data, first + number * size)[0] == 3 for number in range(count))


@dataclass(frozen=True)
class Guest:
    """What a command in a guest left."""

    output: str
    """standard output and error of the command"""
    status: int
    """its exit status"""
    report: str
    """what it wrote to /dev/virtio-ports/report"""
    seconds: float


@dataclass(frozen=True)
class Machine:
    """A machine to boot."""

    kernel: Kernel
    cpus: int = 2
    memory: str = "2G"
    """as qemu takes it"""
    parameters: str = f"lsm={LSM}"
    """more of the kernel's command line"""
    cgroup_v1: tuple[str, ...] = ()
    """controllers that are mounted as cgroup v1, beside an empty cgroup v2"""
    timeout: float = 600.0
    """seconds until it is ended"""
    root: Path = Path("/")
    """what the guest has as its root; where it is not the host's, with a static busybox in bin"""

    def run(self, command: str, folder: Path, show: Callable[[str], object] | None = None) -> Guest:
        """Boots, runs a shell command as root, and powers off.

        Args:
            command: text for sh.
            folder: where it runs.
            show: is given the output while it comes.

        Raises:
            VmError: the time was over, or the guest ended before its command did.
        """
        for _ in range(BOOTS):
            with tempfile.TemporaryDirectory(prefix="guest") as name:
                boot = _Boot(self, Path(name))
                guest = boot.run(command, folder, show)
                if guest is not None:
                    return guest
                trouble = boot.console()
        raise VmError(f"{self.kernel.version} did not start in {BOOT_TIME:.0f} s, {BOOTS} times\n{trouble}")


class _Boot:
    """One boot, with its files in a folder."""

    def __init__(self, machine: Machine, files: Path) -> None:
        self._machine = machine
        self._files = files
        self._output = b""

    def run(self, command: str, folder: Path, show: Callable[[str], object] | None) -> Guest | None:
        """What Machine.run says; None where the root was not there in time."""
        kernel = self._machine.kernel
        config = {
            "image": str(kernel.image.resolve()),
            "cgroup_v1": " ".join(self._machine.cgroup_v1),
            "checkout": "" if self._machine.root == Path("/") else str(CHECKOUT),
            "folder": str(folder),
            "command": command,
        }
        (self._files / "initrd").write_bytes(initrd(kernel.image, kernel.version, self._busybox(), config))
        begin = time.monotonic()
        with open(self._files / "qemu", "wb") as complaints:
            emulator = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
            )
        try:
            ended = self._read(emulator, begin + BOOT_TIME, show, until_begun=True)
            if not ended and not self._text("status"):
                return None
            ended = self._read(emulator, begin + self._machine.timeout, show)
        finally:
            emulator.kill()
            emulator.wait()
        output = self._output.decode(errors="replace")
        words = self._text("status").split()
        if len(words) < 2:
            what = "ended before its command did" if ended else f"had not ended after {self._machine.timeout:.0f} s"
            raise VmError(f"{kernel.version} {what}\n{output[-TAIL:]}{self.console()}", self._text("report"))
        return Guest(output, int(words[1]), self._text("report"), time.monotonic() - begin)

    def _read(
        self,
        emulator: subprocess.Popen[bytes],
        end: float,
        show: Callable[[str], object] | None,
        until_begun: bool = False,
    ) -> bool:
        """Takes the output until the emulator closes it, which is True, or the time is over, or the guest has begun."""
        assert emulator.stdout is not None
        source = emulator.stdout.fileno()
        while (left := end - time.monotonic()) > 0 and not (until_begun and self._text("status")):
            if select.select([source], [], [], min(left, 0.5))[0]:
                part = os.read(source, 65536)
                if not part:
                    return True
                self._output += part
                if show:
                    show(part.decode(errors="replace"))
        return False

    def console(self) -> str:
        """What qemu complained of, and the end of what the guest's kernel said."""
        return f"{self._text('qemu')}--- console\n{self._text('console')[-TAIL:]}"

    def _text(self, name: str) -> str:
        path = self._files / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _busybox(self) -> Path:
        own = self._machine.root / "bin" / "busybox"
        found = shutil.which("busybox") if self._machine.root == Path("/") else str(own)
        if found is None:
            raise VmError("busybox is missing: scripts/prerequisites.sh kernels")
        if interpreted(Path(found)):
            raise VmError(f"{found} is not static: install busybox-static")
        return Path(found)

    def _command(self) -> list[str]:
        machine = self._machine
        # One thread for all CPUs: with more, a CPU may run code that another has just rewritten, which the kernel does
        # to its own (tracepoints, ftrace, static branches), and panics.
        board = BOARDS[machine.kernel.arch]
        words = [board.emulator, "-accel", "tcg,thread=single,tb-size=512", "-machine", board.machine]
        words += ["-cpu", board.cpu, "-smp", str(machine.cpus), "-m", machine.memory]
        words += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-net", "none"]
        words += ["-kernel", str(machine.kernel.vmlinuz), "-initrd", str(self._files / "initrd")]
        words += ["-append", f"console={board.console} panic=-1 {FAST} {board.fast} {machine.parameters}"]
        words += ["-serial", f"file:{self._files / 'console'}"]
        folders = {"root": machine.root}
        if machine.root != Path("/"):
            folders["checkout"] = CHECKOUT
        for name, path in folders.items():
            words += ["-fsdev", f"local,id={name},path={path},security_model=none,readonly=on,multidevs=remap"]
            words += ["-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
        words += ["-device", "virtio-serial-pci"]
        ports = {"output": Path("/proc/self/fd/1"), "status": self._files / "status", "report": self._files / "report"}
        for name, path in ports.items():
            words += ["-chardev", f"file,id={name},path={path},append=on"]
            words += ["-device", f"virtserialport,chardev={name},name={name}"]
        return words
