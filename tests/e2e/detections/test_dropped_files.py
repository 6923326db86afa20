"""Programs that are written, by whatever way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conftest import Tracee
from deeds import Deed, expected, told

FILES = """
import shutil
ELF = open('/usr/bin/true', 'rb').read()
def new(name='program'):
    path = sys.argv[1] + '/' + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path, os.open(path, os.O_WRONLY | os.O_CREAT)
def moved(how, name='program'):
    "By the kernel."
    path, fd = new(name)
    source = os.open('/usr/bin/true', os.O_RDONLY)
    if how == 'copy':
        os.copy_file_range(source, fd, 4096)
    elif how == 'send':
        os.sendfile(fd, source, 0, 4096)
    else:
        r, w = os.pipe()
        os.write(w, ELF[:64])
        check(libc.splice(r, None, fd, None, 64, 0), 'splice')
    return path
"""


def test_dropped_executable(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    ring = compile_c("ring")
    by_ring = f"os.execv({str(ring)!r}, ['ring', 'on', sys.argv[1] + '/x', '65', 'write', '0', '\\x7fELFxxxx'])"
    deeds = [
        Deed("on the host", f"{FILES}os.write(new()[1], ELF)", found=False, inside=False),
        Deed("text", f"{FILES}os.write(new()[1], b'#!/bin/sh')", found=False),
        Deed(
            "text that is copied",
            f"{FILES}open(sys.argv[1] + '/a', 'w').write('text')\n"
            "os.copy_file_range(os.open(sys.argv[1] + '/a', os.O_RDONLY), new()[1], 4)\n"
            "hold()",
            found=False,
        ),
        Deed("in memory", f"{FILES}os.write(os.memfd_create('x'), ELF)", found=False),
        Deed("reading", f"{FILES}", found=False),
        Deed("its middle", f"{FILES}os.pwrite(new()[1], ELF, 4096)", found=False),
        Deed("write", f"{FILES}os.write(new()[1], ELF)"),
        Deed("writev", f"{FILES}os.writev(new()[1], [b'', ELF])"),
        Deed("pwrite", f"{FILES}os.pwrite(new()[1], ELF, 0)"),
        Deed("in a thread", f"{FILES}fd = new()[1]\nin_thread(lambda: os.write(fd, ELF))"),
        Deed("byte by byte", f"{FILES}path, fd = new()\nos.pwrite(fd, ELF[1:], 1)\nos.pwrite(fd, ELF[:1], 0)\nhold()"),
        Deed("copied", f"{FILES}moved('copy')\nhold()"),
        Deed("sent", f"{FILES}moved('send')\nhold()"),
        Deed("spliced", f"{FILES}moved('splice')\nhold()"),
        Deed("a ring", by_ring),
        Deed("cp", "os.spawnv(os.P_WAIT, '/bin/cp', ['cp', '/usr/bin/true', sys.argv[1] + '/x'])\nhold()"),
        Deed("the last", f"{FILES}os.write(new()[1], ELF)"),
    ]
    names, findings = told(tracee, "dropped_executable", deeds)
    assert names == expected(deeds)
    assert all(str(finding["args"][0]["value"]).startswith("/") for finding in findings)


def test_hidden_file_created(tracee: Tracee) -> None:
    rename = "path, fd = new()\nos.write(fd, ELF)\nnew_path = sys.argv[1] + '/.hidden'\n"
    deeds = [
        Deed("a plain name", f"{FILES}os.write(new('a.b/c.d')[1], ELF)", found=False, inside=False),
        Deed("hidden text", f"{FILES}os.write(new('.profile')[1], b'text')", found=False, inside=False),
        Deed("a virtual environment", f"{FILES}os.write(new('.venv/lib/x.so')[1], ELF)", found=False, inside=False),
        Deed("a tool's folder", f"{FILES}os.write(new('home/.cargo/bin/x')[1], ELF)", found=False, inside=False),
        Deed("reading", f"{FILES}path, fd = new('.x')\nopen(path).close()", found=False, inside=False),
        Deed(
            "renaming text",
            f"{FILES}path, fd = new()\nos.write(fd, b'text')\nos.rename(path, sys.argv[1] + '/.x')\nhold()",
            found=False,
            inside=False,
        ),
        Deed("a hidden file", f"{FILES}os.write(new('.x')[1], ELF)", inside=False),
        Deed("a hidden folder", f"{FILES}os.write(new('.x/y/z')[1], ELF)", inside=False),
        Deed("three dots", f"{FILES}os.write(new('.../z')[1], ELF)", inside=False),
        Deed("in a tool's folder", f"{FILES}os.write(new('.cache/.x')[1], ELF)", inside=False),
        Deed(
            "where all may write",
            f"{FILES}folder = '/tmp/.venv'\nmade = not os.path.exists(folder)\n"
            f"os.makedirs(folder, exist_ok=True)\npath = folder + f'/x-{{os.getpid()}}'\n"
            "os.write(os.open(path, os.O_WRONLY | os.O_CREAT), ELF)\nos.unlink(path)\n"
            "os.rmdir(folder) if made else None",
            inside=False,
        ),
        Deed("copied", f"{FILES}moved('copy', '.x')\nhold()", inside=False),
        Deed("renamed", f"{FILES}{rename}os.rename(path, new_path)\nhold()", inside=False),
        Deed("linked", f"{FILES}{rename}os.link(path, new_path)\nhold()", inside=False),
        Deed("in a container", f"{FILES}os.write(new('.x')[1], ELF)"),
    ]
    names, _ = told(tracee, "hidden_file_created", deeds)
    assert names == expected(deeds)
