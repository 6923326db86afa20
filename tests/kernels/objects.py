"""The test modules: built for each kernel by its own compiler, and loaded in guests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chroot import run_in
from debian import Kernel

__all__ = ["FOLDER", "BuildError", "address", "available", "build", "loaded"]

SOURCES = Path(__file__).parent / "modules"
FOLDER = "TRACEE_TEST_MODULES"
"""The environment variable that names the folder of the running kernel's test modules; set in guests alone."""

PATIENCE = 300.0  # seconds


class BuildError(Exception):
    """Modules did not compile; says what the compiler said."""


def build(kernel: Kernel) -> Path:
    """Builds the modules where their sources have changed; the folder with NAME.ko. Needs root, for chroot.

    Raises:
        BuildError: they do not compile.
    """
    to = kernel.folder / "modules"
    sources = sorted(path for path in SOURCES.iterdir() if path.suffix in (".c", ".h") or path.name == "Kbuild")
    made_of = hashlib.sha256(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)).hexdigest()
    mark = to / "made-of"
    if mark.exists() and mark.read_text(encoding="utf-8") == made_of:
        return to
    work = kernel.tools / "build"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for path in sources:
        shutil.copy(path, work)
    # in a root of its own, since the headers' tools want their suite's libc
    done = run_in(kernel.tools, f"make -s -C /usr/src/linux-headers-{kernel.version} M=/build modules", PATIENCE)
    if done.returncode != 0:
        raise BuildError(f"modules for {kernel.version}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for module in work.glob("*.ko"):
        shutil.copy(module, to)
    mark.write_text(made_of, encoding="utf-8")
    return to


def available() -> Path | None:
    """The folder of test modules for the running kernel; None outside of guests."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else None


def address(symbol: str) -> int:
    """Where the kernel has a symbol of its own, by /proc/kallsyms. Raises LookupError."""
    with open("/proc/kallsyms", encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if words[2] == symbol and len(words) == 3:
                return int(words[0], 16)
    raise LookupError(f"/proc/kallsyms has no {symbol}")


@contextmanager
def loaded(name: str, **parameters: str | int) -> Iterator[Path]:
    """Loads a test module, and unloads it after; gives its file.

    Raises:
        subprocess.CalledProcessError: the kernel refused.
        LookupError: there are no test modules here.
    """
    folder = available()
    if folder is None:
        raise LookupError(f"no test modules here: {FOLDER} is not set")
    file = folder / f"{name}.ko"
    subprocess.run(["insmod", str(file), *(f"{key}={value}" for key, value in parameters.items())], check=True)
    try:
        yield file
    finally:
        # kmod's own would look into /sys/module first, where a module that hid has lost its files
        subprocess.run(["busybox", "rmmod", name], check=True)
