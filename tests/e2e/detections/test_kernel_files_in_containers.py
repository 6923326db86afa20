"""Files that the kernel makes, opened in containers by whatever path: found; what only looks like them is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Tracee
from deeds import Deed, expected, told
from programs import calls32, ring

WRITE, READ = os.O_WRONLY, os.O_RDONLY


class Case(NamedTuple):
    detection: str
    type_name: str
    """Of the file system."""
    path: str
    """Within it."""
    flags: int
    beside: str
    """Another file there, which may be opened."""
    data: str = ""
    """Options of the mount."""


CASES = [
    Case("cgroup_release_agent", "cgroup", "release_agent", WRITE, "notify_on_release", "cpuset"),
    Case("cgroup_notify_on_release", "cgroup", "notify_on_release", WRITE, "release_agent", "cpuset"),
    Case("core_pattern_modification", "proc", "sys/kernel/core_pattern", WRITE, "sys/kernel/hostname"),
    Case("system_request_key_mod", "proc", "sys/kernel/sysrq", WRITE, "sys/kernel/hostname"),
    Case("system_request_key_mod", "proc", "sysrq-trigger", WRITE, "sys/kernel/hostname"),
    Case("proc_kcore_read", "proc", "kcore", READ, "cmdline"),
    Case("sched_debug_recon", "proc", "sched_debug", READ, "cmdline"),
    Case("sched_debug_recon", "debugfs", "sched/debug", READ, "devices_deferred"),
]


def deeds_of(case: Case, by_ring: str | None, by_calls32: str | None) -> list[Deed]:
    """Every way to the file, and neighbours: other files, the other access, and the host."""
    folder, _, name = case.path.rpartition("/")
    before = (
        "unshare('mnt')\nwork = sys.argv[1]\nplace = work + '/mounted'\n"
        f"mount('none', place, {case.type_name!r}, 0, {case.data!r})\n"
        f"file, flags = place + '/{case.path}', {case.flags}\n"
    )
    other = f"{before}flags = {READ if case.flags == WRITE else WRITE}\n"
    deeds = [
        Deed("on the host", f"{before}os.open(file, flags)", found=False, inside=False),
        Deed("another file", f"{before}os.open(place + '/{case.beside}', os.O_RDONLY)", found=False),
        Deed("a plain file", f"path = sys.argv[1] + '/{name}'\nopen(path, 'w').close()\nos.open(path, 2)", found=False),
        Deed("its metadata", f"{before}os.stat(file)\nos.open(file, os.O_PATH)", found=False),
        Deed("mounted elsewhere", f"{before}os.open(file, flags)"),
        Deed("by a link", f"{before}os.symlink(file, work + '/l')\nos.open(work + '/l', flags)"),
        Deed("by a link to its folder", f"{before}os.symlink('mounted/{folder}', work + '/l')\n"
             f"os.open(work + '/l/{name}', flags)"),
        Deed("relative", f"{before}os.chdir(os.path.dirname(file))\nos.open('./{name}', flags)"),
        Deed("by a descriptor", f"{before}fd = os.open(os.path.dirname(file), os.O_PATH)\n"
             f"os.open('{name}', flags, dir_fd=fd)"),
        Deed("by /proc/self/root", f"{before}os.open('/proc/self/root' + file, flags)"),
        Deed("by /proc/self/fd", f"{before}fd = os.open(file, os.O_PATH)\nos.open(f'/proc/self/fd/{{fd}}', flags)"),
        Deed("under another name", f"{before}bind(file, work + '/innocent')\nos.open(work + '/innocent', flags)"),
        Deed("from another root", f"{before}os.chroot(os.path.dirname(file))\nos.open('/{name}', flags)"),
        Deed("by openat2", f"{before}openat2(file, flags)"),
        Deed("in a thread", f"{before}in_thread(lambda: os.open(file, flags))"),
    ]  # fmt: skip
    if case.flags == WRITE:
        deeds.insert(0, Deed("read only", f"{other}os.open(file, flags)", found=False))
    if case.type_name != "debugfs":  # whose files a kernel that is locked down opens for reading alone
        deeds.append(Deed("for both", f"{before}os.open(file, os.O_RDWR)"))
    if by_ring:
        words = f"[{by_ring!r}, 'open', '.', file, str(flags)]"
        deeds.append(Deed("by a ring", f"{before}os.execv({by_ring!r}, {words})"))
        words = f"[{by_ring!r}, 'worker', 'open', '.', file, str(flags)]"
        deeds.append(Deed("by a ring's worker", f"{before}os.execv({by_ring!r}, {words})"))
    if by_calls32:
        words = f"[{by_calls32!r}, f'5,:{{file}},{{flags}}']"
        deeds.append(Deed("by a 32-bit call", f"{before}os.execv({by_calls32!r}, {words})"))
    return [*deeds, Deed("at last", f"{before}os.open(file, flags)")]


def is_here(case: Case, folder: Path) -> bool:
    mounted = f'mount -t {case.type_name} -o "$1" none "$2" && [ -e "$2/{case.path}" ]'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", case.data or "defaults", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.detection}-{case.path.rpartition('/')[2]}")
def test_found_by_whatever_path(tracee: Tracee, compile_c: Callable[..., Path], case: Case, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    if not is_here(case, place):
        pytest.skip(f"this kernel has no {case.path} on {case.type_name}, or gives no mount of it")
    deeds = deeds_of(case, ring(compile_c), calls32(compile_c))
    found, findings = told(tracee, case.detection, deeds)
    assert found == expected(deeds)
    for finding in findings:
        assert finding["container"]["id"]
        assert finding["triggeredBy"]["eventName"] == "security_file_open"
