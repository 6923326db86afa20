"""The memory of other processes, read and written by whatever way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Tracee
from deeds import Deed, expected, told

READ, WRITE = "os.O_RDONLY", "os.O_RDWR"

OTHERS = """
memory = ctypes.create_string_buffer(b'12345678', 64)
at = ctypes.addressof(memory)  # the same in a process that was forked from this one
libc.ptrace.restype = ctypes.c_long
def child():
    "One that lives as long as this process."
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(w)
        os.read(r, 1)
        os._exit(0)
    os.close(r)
    os.set_inheritable(w, True)
    return pid
def ptrace(request, pid, address=0, data=0):
    words = [ctypes.c_long(word) for word in (request, pid, address, data)]
    return check(libc.ptrace(*words), 'ptrace')
def traced(pid):
    ptrace(16, pid)
    os.waitpid(pid, 0)
    return pid
def write_into(pid):
    pieces = (ctypes.c_ulong * 2)(at, 8)
    return check(libc.process_vm_writev(pid, pieces, 1, pieces, 1, 0), 'process_vm_writev')
def as_debugger(script):
    "Runs it in an installed gdb: a copy of this program, where only this process sees it."
    import shutil
    unshare('mnt')
    mount('none', '/usr/local/bin', 'tmpfs')
    shutil.copy(os.path.realpath(sys.executable), '/usr/local/bin/gdb')
    os.execv('/usr/local/bin/gdb', ['gdb', '-s', '-S', '-c', script, *sys.argv[1:]])
"""


def by_debugger(script: str) -> str:
    """The deed, done by an installed debugger."""
    before = f"import sys, os\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom steps import *\n{OTHERS}"
    return f"{OTHERS}as_debugger({before + script!r})"


def opens(flags: str, beside: str, ring: Path, calls32: Path) -> list[Deed]:
    """Ways to ``mem`` of another process, and neighbours."""
    done = f"flags = {flags}\n"
    number = "2" if flags == WRITE else "0"
    neighbours = [
        Deed("its own", f"os.open('/proc/self/mem', {flags})\nhold()", found=False, inside=False),
        Deed(
            "its own by a thread",
            f"in_thread(lambda: os.open('/proc/thread-self/mem', {flags}))\nhold()",
            found=False,
            inside=False,
        ),
        Deed("maps", f"{OTHERS}os.open(f'/proc/{{child()}}/maps', os.O_RDONLY)", found=False, inside=False),
        Deed(
            "a plain file",
            f"path = sys.argv[1] + '/mem'\nopen(path, 'w').close()\nos.open(path, {flags})",
            found=False,
            inside=False,
        ),
        Deed(
            "its metadata",
            f"{OTHERS}path = f'/proc/{{child()}}/mem'\nos.stat(path)\nos.open(path, os.O_PATH)",
            found=False,
            inside=False,
        ),
        Deed(
            "a debugger and its child",
            by_debugger(f"os.open(f'/proc/{{child()}}/mem', {flags})\nhold()"),
            found=False,
            inside=False,
        ),
    ]
    if beside:
        neighbours.append(
            Deed(beside, f"{OTHERS}os.open(f'/proc/{{child()}}/mem', {beside})", found=False, inside=False)
        )
    ways = [
        Deed(
            "a debugger and another's",
            by_debugger("os.open(f'/proc/{os.getppid()}/mem', " + flags + ")\nhold()"),
            inside=False,
        ),
        Deed(
            "a thread's",
            f"{OTHERS}pid = child()\nos.open(f'/proc/{{pid}}/task/{{pid}}/mem', {flags})\nhold()",
            inside=False,
        ),
        Deed(
            "in a thread",
            f"{OTHERS}pid = child()\nin_thread(lambda: os.open(f'/proc/{{pid}}/mem', {flags}))\nhold()",
            inside=False,
        ),
        Deed(
            "by a link",
            f"{OTHERS}link = sys.argv[1] + '/l'\nos.symlink(f'/proc/{{child()}}', link)\n"
            f"os.open(link + '/mem', {flags})\nhold()",
            inside=False,
        ),
        Deed("by root", f"{OTHERS}os.open(f'/proc/self/root/proc/{{child()}}/mem', {flags})\nhold()", inside=False),
        Deed("relative", f"{OTHERS}os.chdir(f'/proc/{{child()}}')\nos.open('mem', {flags})\nhold()", inside=False),
        Deed("openat2", f"{OTHERS}{done}openat2(f'/proc/{{child()}}/mem', flags)\nhold()", inside=False),
        Deed(
            "proc elsewhere",
            f"{OTHERS}unshare('mnt')\nplace = sys.argv[1] + '/p'\n"
            f"mount('none', place, 'proc')\nos.open(f'{{place}}/{{child()}}/mem', {flags})\n"
            "hold()",
            inside=False,
        ),
        Deed(
            "that one file elsewhere",
            f"{OTHERS}unshare('mnt')\nplace = sys.argv[1] + '/x'\n"
            f"bind(f'/proc/{{child()}}/mem', place)\nos.open(place, {flags})\nhold()",
            inside=False,
        ),
        Deed(
            "a ring",
            f"{OTHERS}pid = child()\nos.execv({str(ring)!r}, ['ring', 'open', '.', f'/proc/{{pid}}/mem', '{number}'])",
            inside=False,
        ),
        Deed(
            "32 bits",
            f"{OTHERS}pid = child()\nos.execv({str(calls32)!r}, ['calls32', f'5,:/proc/{{pid}}/mem,{number}'])",
            inside=False,
        ),
        Deed("in a container", f"{OTHERS}os.open(f'/proc/{{child()}}/mem', {flags})\nhold()"),
    ]
    return neighbours + ways


@pytest.mark.parametrize(
    ("detection", "flags", "beside"),
    [("proc_mem_access", READ, "os.O_WRONLY"), ("proc_mem_code_injection", WRITE, READ)],
)
def test_mem(tracee: Tracee, compile_c: Callable[[str], Path], detection: str, flags: str, beside: str) -> None:
    deeds = opens(flags, beside, compile_c("ring"), compile_c("calls32"))
    names, _ = told(tracee, detection, deeds)
    assert names == expected(deeds)


def test_process_vm_write(tracee: Tracee) -> None:
    deeds = [
        Deed("itself", f"{OTHERS}write_into(os.getpid())\nhold()", found=False, inside=False),
        Deed(
            "a thread of its own",
            f"{OTHERS}in_thread(lambda: write_into(threading.get_native_id()))\nhold()",
            found=False,
            inside=False,
        ),
        Deed(
            "reading",
            f"{OTHERS}pieces = (ctypes.c_ulong * 2)(at, 8)\n"
            "check(libc.process_vm_readv(child(), pieces, 1, pieces, 1, 0), 'read')",
            found=False,
            inside=False,
        ),
        Deed(
            "in vain",
            f"{OTHERS}pid = child()\nat = 8\ntry: write_into(pid)\nexcept OSError: pass",
            found=False,
            inside=False,
        ),
        Deed("a debugger and its child", by_debugger("write_into(child())\nhold()"), found=False, inside=False),
        Deed("another", f"{OTHERS}write_into(child())\nhold()", inside=False),
        Deed("by a thread", f"{OTHERS}pid = child()\nin_thread(lambda: write_into(pid))\nhold()", inside=False),
        Deed("in a container", f"{OTHERS}write_into(child())\nhold()"),
    ]
    names, findings = told(tracee, "process_vm_write_inject", deeds)
    assert names == expected(deeds)
    assert all(finding["args"][0]["value"] > 1 for finding in findings)


def test_poking(tracee: Tracee) -> None:
    deeds = [
        Deed("attaching", f"{OTHERS}traced(child())", found=False, inside=False),
        Deed("peeking", f"{OTHERS}ptrace(2, traced(child()), at)", found=False, inside=False),
        Deed(
            "in vain",
            f"{OTHERS}pid = traced(child())\ntry: ptrace(4, pid, 8, 1)\nexcept OSError: pass",
            found=False,
            inside=False,
        ),
        Deed(
            "a debugger and its child",
            by_debugger("ptrace(5, traced(child()), at, 1)\nhold()"),
            found=False,
            inside=False,
        ),
        Deed("data", f"{OTHERS}ptrace(5, traced(child()), at, 1)\nhold()", inside=False),
        Deed("text", f"{OTHERS}ptrace(4, traced(child()), at, 1)\nhold()", inside=False),
        Deed(
            "by a thread",
            f"{OTHERS}pid = child()\nin_thread(lambda: ptrace(4, traced(pid), at, 1))\nhold()",
            inside=False,
        ),
        Deed("in a container", f"{OTHERS}ptrace(4, traced(child()), at, 1)\nhold()"),
    ]
    names, _ = told(tracee, "ptrace_code_injection", deeds)
    assert names == expected(deeds)


def test_code_injection_is_all_of_them(tracee: Tracee) -> None:
    deeds = [
        Deed("reading", f"{OTHERS}os.open(f'/proc/{{child()}}/mem', os.O_RDONLY)", found=False, inside=False),
        Deed("itself", f"{OTHERS}write_into(os.getpid())", found=False, inside=False),
        Deed("peeking", f"{OTHERS}ptrace(2, traced(child()), at)", found=False, inside=False),
        Deed("ptrace", f"{OTHERS}ptrace(4, traced(child()), at, 1)\nhold()", inside=False),
        Deed("process_vm_writev", f"{OTHERS}write_into(child())\nhold()", inside=False),
        Deed("/proc/PID/mem", f"{OTHERS}os.open(f'/proc/{{child()}}/mem', os.O_RDWR)\nhold()", inside=False),
    ]
    names, findings = told(tracee, "code_injection", deeds)
    assert names == expected(deeds)
    assert [finding["args"][0]["value"] for finding in findings] == names
