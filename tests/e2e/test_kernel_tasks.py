"""What tasks do to themselves: names, exits, signals' handlers, limits, clocks, prctl; cgroups; turns on a CPU."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import watch

LIBC = "import ctypes, ctypes.util\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def test_task_rename(tracee: Tracee) -> None:
    script = LIBC + "libc.prctl(15, b'deed')\nlibc.prctl(15, b'a name that is too long')\nlibc.prctl(15, b'deed')"
    seen = watch(tracee, ["task_rename"], script, flags=["--filter", "data.new_name=a name*,deed"])
    names = [(e["old_name"], e["new_name"]) for e in seen.of("task_rename")]
    # the third is done under a name that is out of scope
    assert names[-2:] == [("deed", "deed"), ("deed", "a name that is too long"[:15])]


def test_do_exit(tracee: Tracee) -> None:
    script = """
if os.fork() == 0: os._exit(3)
os.wait()
if os.fork() == 0: os.kill(os.getpid(), 9)
os.wait()
"""
    seen = watch(tracee, ["do_exit"], script)
    assert [e["retval"] for e in seen.of("do_exit")] == [3 << 8, signal.SIGKILL, 0]


def test_do_sigaction(tracee: Tracee) -> None:
    script = """
import signal
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.signal(signal.SIGUSR2, lambda number, frame: None)
signal.siginterrupt(signal.SIGUSR2, False)
"""
    seen = watch(tracee, ["do_sigaction"], script, flags=["--filter", f"data.sig={int(signal.SIGUSR2)}"])
    events = [e for e in seen.of("do_sigaction") if e["is_sa_initialized"]]
    ignored, handled, restarts = events[:3]
    assert [e["sa_handle_method"] for e in events[:3]] == [1, 2, 2]
    assert [e["old_sa_handle_method"] for e in events[1:3] if e["is_old_sa_initialized"]] in ([1, 2], [1], [2], [])
    assert handled["sa_handler"] == restarts["sa_handler"] != ignored["sa_handler"]
    assert not handled["sa_flags"] & 0x10000000
    assert restarts["sa_flags"] & 0x10000000  # SA_RESTART


def test_setrlimit(tracee: Tracee) -> None:
    script = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
resource.getrlimit(resource.RLIMIT_NOFILE)
resource.prlimit(os.getppid(), resource.RLIMIT_CORE, resource.prlimit(os.getppid(), resource.RLIMIT_CORE))
print(os.getpid(), file=open(sys.argv[1], 'w'))
"""
    said = tracee.folder / "said"
    before = resource.getrlimit(resource.RLIMIT_CORE)
    seen = watch(tracee, ["security_task_setrlimit"], script, said)
    values = [tuple(e.values())[:4] for e in seen.of("security_task_setrlimit")]
    no_limit = (1 << 64) - 1
    core = tuple(no_limit if limit == resource.RLIM_INFINITY else limit for limit in before)
    assert values == [
        (int(said.read_text()), resource.RLIMIT_NOFILE, 200, 300),
        (os.getpid(), resource.RLIMIT_CORE, *core),
    ]


def test_settime(tracee: Tracee) -> None:
    script = (
        LIBC
        + """
import time
class Zone(ctypes.Structure): _fields_ = [('west', ctypes.c_int), ('dst', ctypes.c_int)]
libc.settimeofday(None, ctypes.byref(Zone(0, 0)))
now = time.time_ns()
time.clock_settime_ns(time.CLOCK_REALTIME, now)
print(now, file=open(sys.argv[1], 'w'))
"""
    )
    said = tracee.folder / "said"
    seen = watch(tracee, ["security_settime64"], script, said)
    zone, clock = seen.of("security_settime64")
    assert [zone[name] for name in ("tv_sec", "tv_nsec", "tz_minuteswest", "tz_dsttime")] == [None, None, 0, 0]
    seconds, nanoseconds = divmod(int(said.read_text()), 10**9)
    expected = [seconds, nanoseconds, None, None]
    assert [clock[name] for name in ("tv_sec", "tv_nsec", "tz_minuteswest", "tz_dsttime")] == expected


PRCTL = (
    LIBC
    + """
import mmap
memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory[0] = 1
at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
long = ctypes.c_ulong
libc.prctl(0x53564d41, long(0), long(at), long(4096), ctypes.c_char_p(b'named by us'))
libc.prctl(28, long(libc.prctl(27)))
stat = open('/proc/self/stat').read().rpartition(')')[2].split()
start_code, arg_start = int(stat[23]), int(stat[45])
fd = os.open(sys.argv[2], os.O_RDONLY)
libc.prctl(35, long(8), long(arg_start), long(0), long(0))
libc.prctl(35, long(13), long(fd), long(0), long(0))
libc.prctl(38, long(1), long(0), long(0), long(0))
print(start_code, arg_start, file=open(sys.argv[1], 'w'))
"""
)


def test_prctl(tracee: Tracee) -> None:
    said = tracee.folder / "said"
    other = tracee.folder / "other"  # not where an overlay has device numbers of its own
    shutil.copy(Path(shutil.which("true") or "/bin/true").resolve(), other)
    seen = watch(tracee, ["security_task_prctl"], PRCTL, said, other)
    start_code, arg_start = map(int, said.read_text().split())
    events = [e for e in seen.of("security_task_prctl") if e["option"] in (0x53564D41, 28, 35, 38)]
    named, bits, argument, program, plain = events
    assert (named["arg2"], named["arg4"], named["vma_name"]) == (0, 4096, "named by us")
    assert named["old_start_code"] is None is named["old_securebits"]
    assert bits["old_securebits"] == bits["arg2"]

    assert (argument["arg2"], argument["new_arg_start"]) == (8, hex(arg_start))
    assert [name for name, value in argument.items() if name.startswith("new_") and value is not None] == [
        "new_arg_start"
    ]
    assert (argument["old_start_code"], argument["old_arg_start"]) == (hex(start_code), hex(arg_start))
    deed = tracee.folder / "deed"
    for event in (argument, program):
        assert event["old_pathname"] == str(deed)
        assert event["old_inode"] == deed.stat().st_ino
        assert event["old_inode_mode"] == deed.stat().st_mode
        assert event["old_auxv"]
    assert program["new_pathname"] == str(other)
    assert (program["new_inode"], program["new_dev"]) == (other.stat().st_ino, other.stat().st_dev)
    assert program["new_inode_mode"] == other.stat().st_mode
    unknown = {name for name, value in plain.items() if value is None}
    assert {name for name in plain if name[:4] in ("old_", "new_", "vma_")} == unknown


def cgroup_root() -> Path | None:
    """Where the cgroup v2 hierarchy is mounted."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return next((Path(line.split()[1]) for line in lines if line.split()[2] == "cgroup2"), None)


def test_cgroups(tracee: Tracee) -> None:
    root = cgroup_root()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("no cgroup v2 hierarchy to write to")
    folder = root / f"tracee-test-{os.getpid()}"
    script = """
folder = sys.argv[1]
os.mkdir(folder)
print(os.stat(folder).st_ino, file=open(sys.argv[2], 'w'))
child = os.fork()
if child == 0:
    open(folder + '/cgroup.procs', 'w').write(str(os.getpid()))
    os._exit(0)
os.waitpid(child, 0)
print(child, file=open(sys.argv[2], 'a'))
while True:
    try: os.rmdir(folder); break
    except OSError: pass
"""
    said = tracee.folder / "said"
    seen = watch(tracee, ["cgroup_mkdir", "cgroup_rmdir", "cgroup_attach_task"], script, folder, said)
    number, child = map(int, said.read_text().split())
    for name in ("cgroup_mkdir", "cgroup_rmdir"):
        (event,) = seen.of(name)
        assert (event["cgroup_id"], event["hierarchy_id"]) == (number, 0)
        assert event["cgroup_path"] == f"/{folder.name}"
    (joined,) = seen.of("cgroup_attach_task")
    assert (joined["cgroup_path"], joined["comm"], joined["pid"]) == (f"/{folder.name}", "deed", child)


def test_sched_switch(tracee: Tracee) -> None:
    script = """
import threading, time
for _ in range(20): time.sleep(0.001)
print(os.getpid(), file=open(sys.argv[1], 'w'))
"""
    said = tracee.folder / "said"
    seen = watch(tracee, ["sched_switch"], script, said)
    events = seen.of("sched_switch")
    pid = int(said.read_text())
    assert sum(e["prev_tid"] == pid and e["prev_comm"] == "deed" for e in events) >= 20
    assert all(e["next_tid"] != e["prev_tid"] and 0 <= e["cpu"] < (os.cpu_count() or 1) for e in events)


def test_any_system_call(tracee: Tracee) -> None:
    script = "for _ in range(7): os.getppid()\n"
    flags = ["--filter", "data.syscall=getppid"]
    seen = watch(tracee, ["sys_enter", "sys_exit"], script, flags=flags)
    assert len(seen.of("sys_enter")) == len(seen.of("sys_exit")) == 7
