"""Debian's kernels, each with its headers and the compiler it was built with, unpacked into .kernels/.

A series (6.12, or arm64-6.12) has a folder there: `image/` holds the kernel and its modules, `tools/` what modules are
built with (for amd64 alone), and `ready`, written last, the kernel's version. Remove the folder to fetch a newer kernel
of the series.
apt does the fetching, with sources and folders of its own: what the host has configured is read, never changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = [
    "ARCHITECTURES",
    "CACHE",
    "SERIES",
    "Apt",
    "FetchError",
    "Kernel",
    "UnreachableError",
    "fetch",
    "from_a_mirror",
    "image_packages",
    "label",
    "link",
    "mirrors",
    "sources",
    "unpack",
]

T = TypeVar("T")

CACHE = Path(__file__).parents[2] / ".kernels"

SERIES = {
    "5.10": (("bullseye",), ("bullseye-security", "bullseye")),
    "6.1": (("bookworm",),),
    "6.12": (("trixie",),),
    "7": (("trixie-backports", "trixie"), ("sid",)),
}
"""Where a series is found: suites that are tried in turn; the second of a pair is for what the first depends on."""

ARCHITECTURES = ("amd64", "arm64")
"""As Debian calls them. Test modules and the host's root serve the first alone."""

TOOLS = ("linux-headers-amd64", "make", "binutils", "dash", "coreutils", "sed", "grep", "mawk", "findutils")
"""What modules are built with; the headers depend on the compiler that their kernel was built with."""

DEBIAN = re.compile(r"(oldoldstable|oldstable|stable|testing|unstable|sid|bullseye|bookworm|trixie|forky)(-[a-z-]+)?")
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PATIENCE = 900.0  # seconds for one command; an image has 110 MB


class FetchError(Exception):
    """A kernel could not be fetched: which, and what was tried."""


class UnreachableError(FetchError):
    """No mirror of Debian can be reached from here, or none is known, or what it has does not arrive."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel."""

    series: str
    version: str
    """as `uname -r` says it"""
    folder: Path
    arch: str = "amd64"
    """as Debian calls it"""

    @property
    def label(self) -> str:
        """What files about it are called."""
        return label(self.series, self.arch)

    @property
    def image(self) -> Path:
        """The root below which boot/ and lib/modules/ are."""
        return self.folder / "image"

    @property
    def tools(self) -> Path:
        """A root with the headers and their compiler."""
        return self.folder / "tools"

    @property
    def vmlinuz(self) -> Path:
        """The kernel itself."""
        return self.image / "boot" / f"vmlinuz-{self.version}"


def label(series: str, arch: str) -> str:
    """A series' name in the cache."""
    return series if arch == "amd64" else f"{arch}-{series}"


def mirrors(index_targets: str) -> tuple[list[str], list[str]]:
    """Mirrors of Debian in lines of `SITE RELEASE`, as apt is configured: usual ones, and those of security updates."""
    usual: dict[str, None] = {}
    security: dict[str, None] = {}
    for line in index_targets.splitlines():
        site, _, release = line.partition(" ")
        if DEBIAN.fullmatch(release):
            (security if release.endswith("-security") else usual)[site] = None
    return list(usual), list(security)


def sources(
    suites: Iterable[str], usual: str, security: str | None, keys: Path | None = None, arch: str = "amd64"
) -> str:
    """The text of a sources.list. Raises FetchError where the host has no mirror of security updates but needs one."""
    lines = []
    for suite in suites:
        site = security if suite.endswith("-security") else usual
        if site is None:
            raise FetchError(f"{suite}: apt has no source of security updates here")
        lines.append(f"deb [arch={arch}{f' signed-by={keys}' if keys else ''}] {site} {suite} main\n")
    return "".join(lines)


def image_packages(depends: Callable[[str], str], arch: str = "amd64") -> tuple[str, list[str]]:
    """What an image's metapackage leads to: the kernel's version, and the packages that hold its files.

    Args:
        depends: what `apt-cache depends` says of a package.
        arch: as Debian calls it.

    Raises:
        FetchError: it leads to no kernel, or to more than one.
    """
    package = f"linux-image-{arch}"
    found = {package: None}
    waiting = [package]
    while waiting:
        for name in re.findall(r"^ +(?:Pre)?Depends: (linux-\S+)$", depends(waiting.pop()), re.MULTILINE):
            # an image, since 7.x in parts; without those for real time, clouds, debugging, and those without signature
            part = re.fullmatch(rf"linux-(?:image|binary|modules|base)-(?:\d\S*-)?{arch}", name)
            if part and not re.search(r"-(?:rt|cloud|dbg|unsigned)\b", name) and name not in found:
                found[name] = None
                waiting.append(name)
    images = [name.removeprefix("linux-image-") for name in found if re.match(r"linux-image-\d", name)]
    if len(images) != 1:
        raise FetchError(f"{package} leads to {len(images)} kernels: {' '.join(images) or 'none'}")
    return images[0], [name for name in found if re.match(r"linux-\w+-\d", name)]


class Apt:
    """apt with sources, lists and archives of its own, to which nothing is installed."""

    def __init__(
        self, folder: Path, suites: tuple[str, ...], usual: str, security: str | None, arch: str = "amd64"
    ) -> None:
        self.archives = folder / "debs"
        self._lists = folder / "lists"
        for made in (self.archives / "partial", self._lists / "partial"):
            made.mkdir(parents=True, exist_ok=True)
        listed = folder / "sources.list"
        text = sources(suites, usual, security, KEYS if KEYS.exists() else None, arch)
        listed.write_text(text, encoding="utf-8")
        settings = {
            "Dir::Etc::sourcelist": listed,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self._lists,
            "Dir::State::status": "/dev/null",
            "Dir::Cache": folder,
            "Dir::Cache::archives": self.archives,
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
            "Acquire::https::Timeout": "30",
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Default-Release": suites[0],
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Debug::NoLocking": "true",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self._fetch("update", "-q")

    def _run(self, tool: str, *arguments: str) -> str:
        return output([tool, *self._options, *arguments], cwd=self.archives)

    def _fetch(self, *arguments: str) -> None:
        try:
            self._run("apt-get", *arguments)
        except FetchError as error:
            raise UnreachableError(str(error)) from None

    def depends(self, package: str) -> str:
        """What `apt-cache depends` says."""
        return self._run("apt-cache", "depends", package)

    def download(self, packages: Iterable[str]) -> list[Path]:
        """Fetches these packages alone; NAME/SUITE takes one from another suite than the first."""
        names = list(packages)
        self._fetch("download", "-q", *names)
        return [found for name in names for found in self.archives.glob(f"{name.partition('/')[0]}_*.deb")]

    def download_with_dependencies(self, packages: Iterable[str]) -> list[Path]:
        """Fetches these packages and all that they depend on."""
        self._fetch("install", "-q", "-y", "--download-only", *packages)
        return sorted(self.archives.glob("*.deb"))

    def forget(self) -> None:
        """Removes what was fetched."""
        shutil.rmtree(self.archives)
        shutil.rmtree(self._lists)


def output(command: list[str], cwd: Path | None = None) -> str:
    """What a command prints. Raises FetchError with what it complained of, or where it goes on for too long."""
    shown = " ".join(word for word in command if "=" not in word and word != "-o")[:200]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"{shown}: not done after {PATIENCE:.0f} s") from None
    if done.returncode != 0:
        raise FetchError(f"{shown}: {done.stderr.strip()[-600:]}")
    return done.stdout


def unpack(packages: Iterable[Path], to: Path) -> None:
    """Unpacks packages into a root whose /bin, /lib and so on are those of /usr, whatever its suite did."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (to / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (to / name).is_symlink():
            (to / name).symlink_to(f"usr/{name}")
    # dpkg --extract would put folders in the place of these links
    script = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory "$2"'
    for package in packages:
        output(["bash", "-o", "pipefail", "-c", script, "bash", str(package), str(to)])


def link(folder: Path, **targets: str) -> None:
    """Makes the links that packages' scripts would set up."""
    for name, target in targets.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)


def fetch_from(series: str, arch: str, suites: tuple[str, ...], usual: str, security: str | None) -> Kernel:
    """Fetches from these suites. Raises FetchError."""
    folder = CACHE / label(series, arch)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    apt = Apt(folder, suites, usual, security, arch)
    version, packages = image_packages(apt.depends, arch)
    kernel = Kernel(series, version, folder, arch)
    unpack(apt.download(packages), kernel.image)
    # since 7.x the image lies among the modules, and a script would copy it to /boot
    if not kernel.vmlinuz.exists():
        kernel.vmlinuz.parent.mkdir(exist_ok=True)
        shutil.copy(kernel.image / "usr/lib/modules" / version / "vmlinuz", kernel.vmlinuz)
    output(["depmod", "-b", str(kernel.image), version])
    if arch == "amd64":  # the headers' tools are programs of their architecture
        others = {path.name for name in packages for path in apt.archives.glob(f"{name}_*.deb")}
        unpack((p for p in apt.download_with_dependencies(TOOLS) if p.name not in others), kernel.tools)
        link(kernel.tools / "bin", sh="dash", awk="mawk")
    apt.forget()
    (folder / "ready").write_text(version, encoding="utf-8")
    return kernel


def fetch(series: str, arch: str = "amd64") -> Kernel:
    """The kernel of a series (a key of SERIES): from the cache, or from Debian's mirrors that apt knows here.

    Raises:
        UnreachableError: no mirror answered.
        FetchError: nothing that was tried has it; says what was tried, and how each failed.
    """
    ready = CACHE / label(series, arch) / "ready"
    if ready.exists():
        return Kernel(series, ready.read_text(encoding="utf-8"), ready.parent, arch)
    return from_a_mirror(
        f"kernel {label(series, arch)}",
        SERIES[series],
        lambda suites, usual, security: fetch_from(series, arch, suites, usual, security),
    )


def from_a_mirror(
    what: str, choices: tuple[tuple[str, ...], ...], get: Callable[[tuple[str, ...], str, str | None], T]
) -> T:
    """What the first of Debian's mirrors that apt knows here gives.

    Args:
        what: for messages.
        choices: suites that are tried in turn.
        get: fetches from suites, a mirror, and one of security updates.

    Raises:
        UnreachableError: no mirror answered.
        FetchError: nothing that was tried has it; says what was tried, and how each failed.
    """
    if shutil.which("apt-get") is None:
        raise UnreachableError("there is no apt here to fetch kernels with")
    targets = output(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"])
    usual, security = mirrors(targets)
    if not usual:
        raise UnreachableError("apt has no source of Debian's packages here; add one to fetch kernels from")
    failures = []
    kind: type[FetchError] = UnreachableError
    for suites in choices:
        for site in usual:
            try:
                return get(suites, site, security[0] if security else None)
            except FetchError as error:
                kind = kind if isinstance(error, UnreachableError) else FetchError
                failures.append(f"{suites[0]} at {site}: {error}")
    raise kind(f"no {what}:\n  " + "\n  ".join(failures))
