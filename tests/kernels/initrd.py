"""An initrd in memory: a cpio archive as the kernel unpacks it, with what the guest starts from."""

from __future__ import annotations

import lzma
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "archive", "device", "file", "folder", "initrd", "kernel_modules"]

NEEDED = ("virtio_pci", "virtio_console", "9p", "9pnet_virtio", "virtio_rng")
"""Modules for the guest's root and ports. Others are loaded from the root, by those who need them."""

FOLDERS = ("bin", "config", "dev", "modules", "proc", "root", "sys")
MAGIC = "070701"


@dataclass(frozen=True)
class Entry:
    """What an archive holds under a name."""

    name: str
    mode: int
    """kind and permissions, as in stat"""
    data: bytes = b""
    device: tuple[int, int] = (0, 0)
    """major and minor number of a device"""


def folder(name: str) -> Entry:
    """A directory."""
    return Entry(name, stat.S_IFDIR | 0o755)


def file(name: str, data: bytes) -> Entry:
    """A file that may be executed."""
    return Entry(name, stat.S_IFREG | 0o755, data)


def device(name: str, major: int, minor: int) -> Entry:
    """A character device."""
    return Entry(name, stat.S_IFCHR | 0o600, device=(major, minor))


def padded(data: bytes) -> bytes:
    """Filled up to a multiple of four bytes."""
    return data + bytes(-len(data) % 4)


def archive(entries: list[Entry]) -> bytes:
    """The entries as a cpio archive in the `newc` format (see the kernel's buffer-format.rst)."""
    parts = []
    for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1):
        name = entry.name.encode() + b"\0"
        owner, links, time, filesystem, check = (0, 0), 1, 0, (0, 0), 0
        fields = (
            number,
            entry.mode,
            *owner,
            links,
            time,
            len(entry.data),
            *filesystem,
            *entry.device,
            len(name),
            check,
        )
        header = MAGIC + "".join(f"{field:08X}" for field in fields)
        parts += [padded(header.encode() + name), padded(entry.data)]
    return b"".join(parts)


def kernel_modules(image: Path, version: str) -> list[Path]:
    """The files of the needed modules, each after those that it depends on. What is built in has none."""
    found: dict[Path, None] = {}
    for name in NEEDED:
        command = ["modprobe", "-d", str(image), "-S", version, "--show-depends", name]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in shown.splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod":
                found[Path(path)] = None
    return list(found)


def initrd(image: Path, version: str, busybox: Path, config: dict[str, str]) -> bytes:
    """What a guest of this kernel starts from.

    Args:
        image: the root below which lib/modules/VERSION is.
        version: as `uname -r` says it.
        busybox: a static one.
        config: texts for init.sh, which reads them as files of /config.
    """
    entries = [folder(name) for name in FOLDERS]
    entries.append(device("dev/console", 5, 1))
    entries.append(file("bin/busybox", busybox.read_bytes()))
    entries.append(file("init", (Path(__file__).parent / "init.sh").read_bytes()))
    names = []
    for path in kernel_modules(image, version):
        data = path.read_bytes()
        names.append(path.name.partition(".ko")[0] + ".ko")
        entries.append(file(f"modules/{names[-1]}", lzma.decompress(data) if path.suffix == ".xz" else data))
    for name, text in {**config, "modules": "\n".join(names)}.items():
        entries.append(file(f"config/{name}", text.encode() + b"\n"))
    return archive(entries)
