"""Commands in a root of their own: compilers that want another libc than the host's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["run_in"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_in(
    root: Path,
    command: str,
    timeout: float,
    folders: Iterable[Path] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a shell command in a root of its own. Needs root, for chroot.

    Args:
        root: has a shell.
        command: text for sh.
        timeout: seconds.
        folders: of the host, which are there at the same path.
        environment: all that the command has beside PATH.
    """
    mounts = [(Path("/dev"), root / "dev"), (Path("/proc"), root / "proc")]
    mounts += [(folder, root / folder.relative_to("/")) for folder in folders]
    for _, to in mounts:
        to.mkdir(parents=True, exist_ok=True)
    # the mounts are in a namespace that ends with the command
    script = (
        'root=$1 command=$2; shift 2; while [ $# -gt 0 ]; do mount --rbind "$1" "$2" || exit 1; shift 2; done;'
        ' exec chroot "$root" /bin/sh -c "$command"'
    )
    words = [str(path) for mount in mounts for path in mount]
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(root), command, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env={"PATH": PATH, **(environment or {})},
    )
