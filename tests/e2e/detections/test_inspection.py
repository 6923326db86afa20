"""What programs do that want to know whether they are watched, and where things are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Tracee
from deeds import Deed, expected, told

SETTING = "/proc/sys/kernel/randomize_va_space"
TRACEME = "libc.ptrace(0, 0, 0, 0)"
IN_THREAD = f"""
pid = os.fork()
if pid == 0:
    in_thread(lambda: {TRACEME})
    os.kill(os.getpid(), 9)
try:
    while True: os.waitpid(-1, 0x40000000)  # a thread that is traced ends when its tracer has seen it
except ChildProcessError: pass
"""


def test_aslr_inspection(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    ring, calls32 = compile_c("ring"), compile_c("calls32")
    elsewhere = "unshare('mnt')\nplace = sys.argv[1] + '/p'\nmount('none', place, 'proc')\n"
    deeds = [
        Deed("writing", f"os.open('{SETTING}', os.O_WRONLY)", found=False, inside=False),
        Deed("another setting", "os.open('/proc/sys/kernel/pid_max', os.O_RDONLY)", found=False, inside=False),
        Deed("its metadata", f"os.stat('{SETTING}')\nos.open('{SETTING}', os.O_PATH)", found=False, inside=False),
        Deed(
            "a plain file",
            "path = sys.argv[1] + '/randomize_va_space'\nopen(path, 'w').close()\nopen(path).close()",
            found=False,
            inside=False,
        ),
        Deed("reading", f"os.open('{SETTING}', os.O_RDONLY)", inside=False),
        Deed("openat2", f"openat2('{SETTING}', os.O_RDONLY)", inside=False),
        Deed("relative", "os.chdir('/proc/sys')\nos.open('kernel/randomize_va_space', os.O_RDONLY)", inside=False),
        Deed("by root", f"os.open('/proc/self/root{SETTING}', os.O_RDONLY)", inside=False),
        Deed(
            "proc elsewhere", f"{elsewhere}os.open(place + '/sys/kernel/randomize_va_space', os.O_RDONLY)", inside=False
        ),
        Deed("a ring", f"os.execv({str(ring)!r}, ['ring', 'open', '.', '{SETTING}', '0'])", inside=False),
        Deed("32 bits", f"os.execv({str(calls32)!r}, ['calls32', '5,:{SETTING},0'])", inside=False),
        Deed("in a container", f"in_thread(lambda: os.open('{SETTING}', os.O_RDONLY))"),
    ]
    names, _ = told(tracee, "aslr_inspection", deeds)
    assert names == expected(deeds)


def test_anti_debugging(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    calls32 = compile_c("calls32")
    copies = "import shutil\ncopy = sys.argv[1] + '/gdb'\nshutil.copy(os.path.realpath(sys.executable), copy)\n"
    deeds = [
        Deed("another request", "libc.ptrace(0x4206, 0, 0, 0)", found=False, inside=False),
        Deed(
            "tracing another",
            "pid = os.fork()\nif pid == 0:\n    import time\n    time.sleep(60)\nlibc.ptrace(16, pid, 0, 0)\n"
            "os.waitpid(pid, 0)\nos.kill(pid, 9)",
            found=False,
            inside=False,
        ),
        Deed("looking up its tracer", "open('/proc/self/status').read()", found=False, inside=False),
        Deed("on itself", TRACEME, inside=False),
        Deed("in vain", f"{TRACEME}\n{TRACEME}", inside=False),
        Deed("in a thread", IN_THREAD, inside=False),
        Deed(
            "as a debugger's copy",
            f"{copies}os.execv(copy, ['gdb', '-s', '-S', '-c', 'import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)'])",
            inside=False,
        ),
        Deed("32 bits", f"os.execv({str(calls32)!r}, ['calls32', '26,0,0,0,0'])", inside=False),
        Deed("in a container", TRACEME),
    ]
    names, _ = told(tracee, "anti_debugging", deeds)
    assert names == expected(deeds)


@pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed")
def test_a_debugger_s_child(tracee: Tracee) -> None:
    deeds = [
        Deed(
            "gdb",
            "os.execv('/usr/bin/gdb', ['gdb', '-batch', '-nx', '-ex', 'run', '/usr/bin/true'])",
            found=False,
            inside=False,
        ),
        Deed("on itself", TRACEME, inside=False),
    ]
    names, _ = told(tracee, "anti_debugging", deeds)
    assert names == expected(deeds)
