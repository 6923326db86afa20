"""Files that decide what runs and as whom, changed by whatever way; each deed has an /etc of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Tracee
from deeds import Deed, expected, told

OWN = """
import shutil
unshare('mnt')
for folder in ('/etc', '/usr/lib32', '/usr/local/bin', '/var/spool'):
    if os.path.isdir(folder):
        mount('none', folder, 'tmpfs')
def put(path, content='x'):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file: file.write(content)
    return path
def as_program(name, script):
    "Runs it in an installed program of that name: a copy of this one, where only this process sees it."
    shutil.copy(os.path.realpath(sys.executable), '/usr/local/bin/' + name)
    os.execv('/usr/local/bin/' + name, [name, '-s', '-S', '-c', 'import os, subprocess\\n' + script, *sys.argv[1:]])
def in_another_root(script):
    root = sys.argv[1] + '/root'
    for folder in ('etc/sudoers.d', 'etc/cron.d', 'etc/init.d', 'etc/rc3.d', 'usr/lib32'):
        os.makedirs(root + '/' + folder)
    outside = os.open(sys.argv[1], os.O_RDONLY)
    os.chroot(root)
    exec(script)
    os.open('held', os.O_WRONLY | os.O_CREAT, dir_fd=outside)
    sys.stdin.read()
"""


class Case(NamedTuple):
    detection: str
    path: str
    """A file that the detection watches; it may be made."""
    beside: str
    """Another file."""


CASES = [
    Case("sudoers_modification", "/etc/sudoers", "/etc/sudo.conf"),
    Case("sudoers_modification", "/etc/sudoers.d/x", "/etc/sudoers_x"),
    Case("scheduled_task_mod", "/etc/crontab", "/etc/crontab.txt"),
    Case("scheduled_task_mod", "/etc/cron.d/x", "/etc/cron.x/y"),
    Case("scheduled_task_mod", "/var/spool/cron/crontabs/root", "/var/spool/mail/root"),
    Case("rcd_modification", "/etc/rc.local", "/etc/rc.conf"),
    Case("rcd_modification", "/etc/init.d/x", "/etc/init/x"),
    Case("rcd_modification", "/etc/rc3.d/S01x", "/etc/rc9.d/x"),
    Case("default_loader_mod", "/usr/lib32/ld-linux.so.2", "/usr/lib32/libld.so"),
]


def deeds_of(case: Case, ring: Path, calls32: Path) -> list[Deed]:
    path, beside = case.path, case.beside
    made = f"{OWN}put({beside!r})\nos.makedirs(os.path.dirname({path!r}), exist_ok=True)\n"
    write = f"open({path!r}, 'w').close()"
    # what is put there first is found as well: the file is made by something that nobody looks at
    quiet = f"{OWN}os.makedirs(os.path.dirname({path!r}), exist_ok=True)\n"

    def installs(script: str) -> str:
        return f"{quiet}as_program('dpkg', {script!r})"

    deeds = [
        Deed("reading", f"{quiet}try: open({path!r})\nexcept OSError: pass", found=False, inside=False),
        Deed("another file", f"{OWN}put({beside!r})", found=False, inside=False),
        Deed(
            "away from it",
            f"{OWN}put({beside!r})\nos.rename({beside!r}, {beside!r} + '.old')",
            found=False,
            inside=False,
        ),
        Deed(
            "its metadata", f"{quiet}try: os.open({path!r}, os.O_PATH)\nexcept OSError: pass", found=False, inside=False
        ),
        Deed("a package", installs(f"{write}\nos.rename({path!r}, {path!r} + '~')"), found=False, inside=False),
        Deed(
            "a package's script",
            installs(f"subprocess.run(['/bin/sh', '-c', 'echo x > {path}; exit 0'])"),
            found=False,
            inside=False,
        ),
        Deed("writing", quiet + write, inside=False),
        Deed("renamed", f"{made}os.rename({beside!r}, {path!r})", inside=False),
        Deed("linked", f"{made}os.link({beside!r}, {path!r})", inside=False),
        Deed("a link", f"{made}os.symlink({beside!r}, {path!r})", inside=False),
        Deed("openat2", f"{quiet}openat2({path!r}, os.O_RDWR | os.O_CREAT)", inside=False),
        Deed("by root", f"{quiet}os.open('/proc/self/root' + {path!r}, os.O_RDWR | os.O_CREAT)", inside=False),
        Deed(
            "relative",
            f"{quiet}os.chdir(os.path.dirname({path!r}))\nos.open(os.path.basename({path!r}), os.O_RDWR | os.O_CREAT)",
            inside=False,
        ),
        Deed(
            "by a link",
            f"{quiet}os.symlink(os.path.dirname({path!r}), '/etc/l')\n"
            f"os.open('/etc/l/' + os.path.basename({path!r}), os.O_RDWR | os.O_CREAT)",
            inside=False,
        ),
        Deed("in a thread", f"{quiet}in_thread(lambda: os.open({path!r}, os.O_RDWR | os.O_CREAT))", inside=False),
        Deed(
            "by a copy that is called dpkg",
            f"{quiet}copy = sys.argv[1] + '/dpkg'\n"
            "shutil.copy(os.path.realpath(sys.executable), copy)\n"
            f"os.execv(copy, ['dpkg', '-s', '-S', '-c', {write!r}])",
            inside=False,
        ),
        Deed("a ring", f"{quiet}os.execv({str(ring)!r}, ['ring', 'open', '.', {path!r}, '66'])", inside=False),
        Deed(
            "a ring's rename", f"{made}os.execv({str(ring)!r}, ['ring', 'rename', {beside!r}, {path!r}])", inside=False
        ),
        Deed("32 bits", f"{quiet}os.execv({str(calls32)!r}, ['calls32', '5,:{path},66,0600'])", inside=False),
        Deed("in a container", quiet + write),
    ]
    if not path.startswith("/var"):
        other_root = f"{OWN}in_another_root({write!r})  # as hold()"
        deeds.insert(0, Deed("in another root", other_root, found=False, inside=False))
    return deeds


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.detection}-{case.path}")
def test_files(tracee: Tracee, compile_c: Callable[[str], Path], case: Case) -> None:
    deeds = deeds_of(case, compile_c("ring"), compile_c("calls32"))
    names, findings = told(tracee, case.detection, deeds)
    assert names == expected(deeds)
    methods = {finding["args"][1]["value"] for finding in findings}
    assert methods == {"opened for writing", "renamed", "linked", "symbolic link"}


ELSEWHERE = """
def elsewhere(file, content):
    "Makes it in a file system of its own, then shows it under another folder, and opens it there."
    place = sys.argv[1] + '/' + os.path.basename(file)
    with open(place, 'wb') as made: made.write(content)
    bind(sys.argv[1], os.path.dirname(file))
    with open(place, 'r+b'): pass
    hold()
"""


@pytest.mark.parametrize(
    ("detection", "file"),
    [("sudoers_modification", "/etc/sudoers"), ("default_loader_mod", "/lib64/ld-linux-x86-64.so.2")],
)
def test_the_file_under_another_path(tracee: Tracee, detection: str, file: str) -> None:
    name = Path(file).name
    deeds = [
        Deed("another of that name", f"open(sys.argv[1] + '/{name}', 'w').close()\nhold()", found=False, inside=False),
        Deed("another file", "open(sys.argv[1] + '/x', 'w').close()", found=False, inside=False),
        Deed("reading", f"if os.path.exists('{file}'): open('{file}').close()", found=False, inside=False),
        Deed("that file", f"{OWN}{ELSEWHERE}elsewhere('{file}', b'x')", inside=False),
    ]
    names, _ = told(tracee, detection, deeds)
    assert names == expected(deeds)


COMMANDS = """
import shutil
def run(name, *words):
    "A program of that name, which only this process sees."
    unshare('mnt')
    mount('none', '/usr/local/bin', 'tmpfs')
    shutil.copy('/usr/bin/true', '/usr/local/bin/' + name)
    os.execv('/usr/local/bin/' + name, [name, *words])
"""


@pytest.mark.parametrize(
    ("detection", "silent", "found"),
    [
        (
            "scheduled_task_mod",
            [("crontab", "-l"), ("crontab", "-u", "root", "-l"), ("at", "-l"), ("cat", "x")],
            [("crontab", "-"), ("crontab", "-e"), ("crontab", "file"), ("at", "now"), ("batch",)],
        ),
        (
            "rcd_modification",
            [("service", "x"), ("update-rc", "x"), ("ls",)],
            [("update-rc.d", "x", "defaults"), ("chkconfig", "x", "on")],
        ),
    ],
)
def test_commands(tracee: Tracee, detection: str, silent: list[tuple[str, ...]], found: list[tuple[str, ...]]) -> None:
    deeds = [Deed(" ".join(words), f"{COMMANDS}run(*{words!r})", found=False, inside=False) for words in silent]
    deeds += [Deed(" ".join(words), f"{COMMANDS}run(*{words!r})", inside=False) for words in found]
    names, _ = told(tracee, detection, deeds)
    assert names == expected(deeds)
