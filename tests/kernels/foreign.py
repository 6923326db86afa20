"""What guests of arm64 need on a host of amd64: a root with programs of theirs, and tracee built for it.

All of it is in .kernels/arm64/: `root/` is what a guest has in the place of the host's root, `tools/` what compiles for
it; a folder without its mark (`root-ready`) is made anew. Debian's packages are unpacked there without running their
scripts; nothing is installed on the host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from chroot import run_in
from debian import CACHE, Apt, from_a_mirror, link, unpack

__all__ = ["ARCH", "PYTHON", "ForeignError", "guest_root", "requirements"]

ARCH = "arm64"
PYTHON = "/usr/bin/python3"
"""In a guest."""

ROOT = Path(__file__).parents[2]
FOLDER = CACHE / ARCH
TARGET = "aarch64-unknown-linux-gnu"
GNU = "aarch64-linux-gnu"
"""The same, as Debian calls it."""

SUITE = "trixie"
PYTHON_VERSION = "3.13"
"""The suite's."""
NEWER = "trixie-backports"
"""Has a compiler that takes the crates we use; the suite's own is too old."""
OLDER = "bookworm"
CLANG = "clang-14"
"""That suite's. What clang 19 makes of the kernel side is refused in part by the verifiers of 5.10 and 6.1."""

GUEST = (
    *("base-files", "base-passwd", "bash", "dash", "coreutils", "sed", "grep", "mawk", "findutils", "diffutils"),
    *("util-linux", "mount", "hostname", "procps", "kmod", "busybox-static", "netbase", "python3", "gcc", "libc6-dev"),
    *("jq", "bpftool", "openssl", "curl", "iproute2", "iputils-ping", "socat"),
)
"""What the tests of few.py run."""

STANDARD_LIBRARY = f"libstd-rust-dev/{NEWER}"
TOOLS = (
    *("bash", "dash", "coreutils", "sed", "grep", "gawk", "findutils", "diffutils", "tar", "gzip", "hostname"),
    *(f"cargo/{NEWER}", f"rustc/{NEWER}", STANDARD_LIBRARY),
    *("gcc", "libc6-dev", f"gcc-{GNU}", "libc6-dev-arm64-cross", CLANG, "linux-libc-dev"),
    *("make", "autoconf", "automake", "autopoint", "libtool", "gettext", "flex", "bison", "m4", "pkgconf"),
)
"""What tracee is compiled with: programs of the host's architecture."""

WHEELS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64")
TESTS_NEED = ("pytest", "hypothesis")
"""Of scripts/requirements-dev.txt, what runs tests; the rest is for their text."""

PATIENCE = 1800.0  # seconds; all crates are compiled in eight minutes where another program has one of two CPUs


class ForeignError(Exception):
    """Something does not build or install for the guest; says what was run, and what it complained of."""


def guest_root() -> Path:
    """The root of guests of arm64, with tracee as it is in this checkout. What has not changed is kept. Needs root.

    Raises:
        UnreachableError: no mirror answered.
        FetchError: no mirror has all packages.
        ForeignError: tracee does not build, or Python packages are not to be had.
    """
    makers = (("root", (SUITE,), fetch_root), ("tools", (SUITE, NEWER, OLDER), fetch_tools))
    for name, suites, get in makers:
        ready = FOLDER / f"{name}-ready"
        if not ready.exists():
            shutil.rmtree(FOLDER / name, ignore_errors=True)
            (FOLDER / name).mkdir(parents=True)
            from_a_mirror(f"{name} of {ARCH}", (suites,), get)
            ready.touch()
    root = FOLDER / "root"
    packages = root / "usr/local/lib" / f"python{PYTHON_VERSION}" / "dist-packages"
    install(requirements(ROOT), packages)
    put(build(), packages / "tracee")
    return root


def fetch_root(suites: tuple[str, ...], usual: str, security: str | None) -> None:
    """Fetches the guest's programs."""
    root = FOLDER / "root"
    apt = Apt(FOLDER / "apt", suites, usual, security, ARCH)
    unpack(apt.download_with_dependencies(GUEST), root)
    apt.forget()
    link(root / "bin", sh="dash", awk="mawk")
    for name in ("passwd", "group"):
        shutil.copy(root / "usr/share/base-passwd" / f"{name}.master", root / "etc" / name)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="utf-8")
    # here the checkout is mounted
    (root / ROOT.relative_to("/")).mkdir(parents=True)


def fetch_tools(suites: tuple[str, ...], usual: str, security: str | None) -> None:
    """Fetches the compilers, with the guest's standard library of Rust."""
    tools = FOLDER / "tools"
    apt = Apt(FOLDER / "apt", suites, usual, security)
    unpack(apt.download_with_dependencies(TOOLS), tools)
    apt.forget()
    apt = Apt(FOLDER / "apt", suites, usual, security, ARCH)
    unpack(apt.download([STANDARD_LIBRARY]), tools)
    apt.forget()
    link(tools / "bin", sh="dash", awk="gawk", cc="gcc", clang=CLANG)
    for name in ("automake", "aclocal"):
        (found,) = (tools / "bin").glob(f"{name}-1.*")
        link(tools / "bin", **{name: found.name})
    (tools / "tmp").mkdir(exist_ok=True)


def requirements(checkout: Path) -> list[str]:
    """What tracee and its tests need of Python packages, as pip takes it."""
    project = (checkout / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[$(.*?)^\]$", project, re.MULTILINE | re.DOTALL)
    if listed is None:
        raise ForeignError("pyproject.toml has no list of dependencies")
    of_project = re.findall(r'^ +"(.+)",$', listed[1], re.MULTILINE)
    for_tests = (checkout / "scripts/requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    return of_project + [line for line in for_tests if line.startswith(TESTS_NEED)]


def install(packages: list[str], to: Path) -> None:
    """Puts Python packages for the guest into a folder, where they are others than those which are there."""
    mark = FOLDER / "python-ready"
    listed = "\n".join(packages)
    if mark.exists() and to.exists() and mark.read_text(encoding="utf-8") == listed:
        return
    shutil.rmtree(to, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(to)]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON_VERSION}"]
    checked([*command, *(f"--platform={wheel}" for wheel in WHEELS), *packages])
    mark.write_text(listed, encoding="utf-8")


def build() -> Path:
    """Compiles the extension module for the guest; the file. cargo knows what has changed."""
    home = FOLDER / "cargo"
    # a home of its own, because libbpf-sys compiles in its folder there, where the host's builds do too
    fetching = ["cargo", "fetch", "--quiet", "--locked", "--target", TARGET]
    checked(fetching, {**os.environ, "CARGO_HOME": str(home)})
    variable = TARGET.replace("-", "_")
    environment = {
        "HOME": "/root",
        "CARGO_HOME": str(home),
        "CARGO_TARGET_DIR": str(FOLDER / "target"),
        f"CARGO_TARGET_{variable.upper()}_LINKER": f"{GNU}-gcc",
        f"CC_{variable}": f"{GNU}-gcc",
        "AR": f"{GNU}-ar",
        "RANLIB": f"{GNU}-ranlib",
    }
    command = f"cd '{ROOT}' && exec cargo build --quiet --release --offline --locked --target {TARGET} -p tracee-python"
    done = run_in(FOLDER / "tools", command, PATIENCE, [ROOT], environment)
    if done.returncode != 0:
        raise ForeignError(f"tracee does not build for {ARCH}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return FOLDER / "target" / TARGET / "release" / "lib_core.so"


def put(extension: Path, to: Path) -> None:
    """Installs the package tracee as it is in this checkout, with an extension module of the guest's architecture."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "tracee", to, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(extension, to / "_core.abi3.so")


def checked(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Runs a command. Raises ForeignError with what it complained of."""
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=PATIENCE
    )
    if done.returncode != 0:
        raise ForeignError(f"{' '.join(command[:4])}: {done.stderr.strip()[-2000:]}")
