"""What tasks may do: capabilities that are asked for, credentials and namespaces that change."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import Watched, watch, watch_program

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="calls are made by their numbers on x86_64")

LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
ALL = int(Path("/proc/self/status").read_text().partition("CapBnd:\t")[2][:16], 16)
KILL = 1 << 5
FILE_CAPABILITIES = sum(1 << number for number in (0, 1, 2, 3, 4, 9, 27, 32)) & ALL
"""Those that go with the user for files."""

# name: the call's number as usual, and of 32-bit programs
NUMBERS = {
    "bind": (49, 361),
    "capset": (126, 185),
    "chown": (92, 212),
    "chroot": (161, 61),
    "clone": (56, 120),
    "getppid": (110, 64),
    "mount": (165, 21),
    "prctl": (157, 172),
    "ptrace": (101, 26),
    "setfsuid": (122, 215),
    "setgroups": (116, 206),
    "setns": (308, 346),
    "setresgid": (119, 210),
    "setresuid": (117, 208),
    "socket": (41, 359),
    "unshare": (272, 310),
}
WAYS = pytest.mark.parametrize("how", ["wide", "narrow", "wide thread", "narrow thread"])


@pytest.fixture
def calls(tracee: Tracee, compile_c: Callable[[str], Path]) -> Callable[..., Watched]:
    """Makes calls, each a name and its arguments with commas between, and tells what was seen."""
    program = shutil.copy(compile_c("calls32"), tracee.folder / "deed")

    def make(events: list[str], how: str, *wanted: str) -> Watched:
        words = []
        for call in wanted:
            name, comma, rest = call.partition(",")
            words.append(f"{NUMBERS[name]['narrow' in how]}{comma}{rest}")
        return watch_program(tracee, events, [program, *how.split(), *words], cwd=tracee.folder)

    return make


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that any user may go into."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def user_namespaces() -> None:
    """There are none for who runs in a folder that is not the root of a mount."""
    script = f"{LIBC}raise SystemExit(libc.unshare({OTHERS['user']}) != 0)"
    if subprocess.run([sys.executable, "-c", script], check=False).returncode:
        pytest.skip("user namespaces cannot be made here")


Change = dict[str, tuple[int, int]]


def changes(seen: Watched) -> list[Change]:
    """What each event says that has changed: before and after."""
    told = []
    for event in seen.of("commit_creds"):
        old, new = event["old_cred"], event["new_cred"]
        assert old.keys() == new.keys()
        told.append({key: (old[key], new[key]) for key in old if old[key] != new[key]})
    return told


def words32(*numbers: int) -> str:
    """Numbers of 32 bits as bytes."""
    return "=" + b"".join(number.to_bytes(4, "little") for number in numbers).hex()


def capset(effective: int, permitted: int, inheritable: int) -> str:
    sets = (effective, permitted, inheritable)
    halves = [half for shift in (0, 32) for half in (one >> shift & 0xFFFFFFFF for one in sets)]
    return f"capset,{words32(0x20080522, 0)},{words32(*halves)}"


# ---- commit_creds ----


@WAYS
def test_users_and_groups(calls: Callable[..., Watched], how: str) -> None:
    seen = calls(
        ["commit_creds"],
        how,
        *("setfsuid,7", "setfsuid,0"),
        "setresgid,1,2,3",
        # nothing of what is told changes by these
        *(f"setgroups,1,{words32(5)}", "setresuid,0,0,0", "setresgid,-1,-1,-1", "getppid"),
        "setresuid,-1,-1,-1",
        "setresuid,4,5,6",
        "setresuid,0,0,0",
    )
    told = changes(seen)
    groups = {"gid": (0, 1), "egid": (0, 2), "fsgid": (0, 2), "sgid": (0, 3)}
    users = {"uid": (0, 4), "euid": (0, 5), "fsuid": (0, 5), "suid": (0, 6)}
    if "thread" in how:  # each has what the program began with, and so there is no way back
        assert told == [
            {"fsuid": (0, 7), "cap_effective": (ALL, ALL & ~FILE_CAPABILITIES)},
            groups,
            {**users, "cap_permitted": (ALL, 0), "cap_effective": (ALL, 0)},
        ]
        return
    assert told == [
        {"fsuid": (0, 7), "cap_effective": (ALL, ALL & ~FILE_CAPABILITIES)},
        {"fsuid": (7, 0), "cap_effective": (ALL & ~FILE_CAPABILITIES, ALL)},
        groups,
        {**users, "cap_permitted": (ALL, 0), "cap_effective": (ALL, 0)},
    ]
    events = seen.of("commit_creds")
    assert [event["new_cred"] for event in events[:-1]] == [event["old_cred"] for event in events[1:]]


@pytest.mark.parametrize("how", ["wide", "narrow"])
def test_capabilities(calls: Callable[..., Watched], how: str) -> None:
    seen = calls(
        ["commit_creds"],
        how,
        "prctl,8,1",  # PR_SET_KEEPCAPS
        "prctl,8,1",
        capset(ALL, ALL, KILL),
        "prctl,47,2,5",  # PR_CAP_AMBIENT, raise
        "prctl,24,6",  # PR_CAPBSET_DROP
        capset(KILL, ALL, KILL),
        capset(KILL, KILL, KILL),
        capset(ALL, ALL, KILL),  # refused
    )
    assert changes(seen) == [
        {"securebits": (0, 16)},
        {"cap_inheritable": (0, KILL)},
        {"cap_ambient": (0, KILL)},
        {"cap_bounding": (ALL, ALL & ~(1 << 6))},
        {"cap_effective": (ALL, KILL)},
        {"cap_permitted": (ALL, KILL)},
    ]


def run_by_others(folder: Path, setup: str) -> str:
    """A script that makes a copy of /bin/true called `deed`, and has user and group 1000 run it."""
    target = folder / "deed"
    return f"""
import shutil
target = {str(target)!r}
shutil.copy({shutil.which("true")!r}, target)
{setup}
if os.fork() == 0:
    os.setgroups([])
    os.setresgid(1000, 1000, 1000)
    os.setresuid(1000, 1000, 1000)
    os.execv(target, [target])
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_exec_of_a_setuid_program(tracee: Tracee, open_folder: Path) -> None:
    setup = "os.chown(target, 12, 34)\nos.chmod(target, 0o6755)"
    told = changes(watch(tracee, ["commit_creds"], run_by_others(open_folder, setup)))
    assert told[2:] == [
        {"euid": (1000, 12), "suid": (1000, 12), "fsuid": (1000, 12)}
        | {"egid": (1000, 34), "sgid": (1000, 34), "fsgid": (1000, 34)}
    ]


def test_exec_of_a_setuid_program_of_root(tracee: Tracee, open_folder: Path) -> None:
    told = changes(watch(tracee, ["commit_creds"], run_by_others(open_folder, "os.chmod(target, 0o4755)")))
    (change,) = told[2:]
    users = {"euid": (1000, 0), "suid": (1000, 0), "fsuid": (1000, 0)}
    assert change == {**users, "cap_permitted": (0, ALL), "cap_effective": (0, ALL)}


def test_exec_of_a_program_with_capabilities(tracee: Tracee, open_folder: Path) -> None:
    # struct vfs_cap_data: version 2 and `effective`, permitted and inheritable by halves
    value = bytes.fromhex(words32(0x02000001, KILL, 0, 0, 0)[1:])
    setup = f"os.setxattr(target, 'security.capability', {value!r})"
    told = changes(watch(tracee, ["commit_creds"], run_by_others(open_folder, setup)))
    assert told[2:] == [{"cap_permitted": (0, KILL), "cap_effective": (0, KILL)}]


def test_exec_of_a_plain_program_changes_nothing(tracee: Tracee, open_folder: Path) -> None:
    told = changes(watch(tracee, ["commit_creds"], run_by_others(open_folder, "os.chmod(target, 0o755)")))
    assert [list(change)[:1] for change in told] == [["gid"], ["uid"]]


def test_user_namespaces(tracee: Tracee, tmp_path: Path, user_namespaces: None) -> None:
    script = f"""{LIBC}
number = lambda: int(os.readlink('/proc/self/ns/user')[6:-1])
numbers = [number()]
if libc.unshare(0x10000000): sys.exit(1)
numbers.append(number())
if os.fork() == 0: os._exit(0)
os.wait()
open('numbers', 'w').write(repr(numbers))
"""
    told = changes(watch(tracee, ["commit_creds"], script, cwd=tmp_path))
    outer, inner = eval((tmp_path / "numbers").read_text())
    (change,) = told
    assert change["user_ns"] == (outer, inner)


def test_a_user_namespace_made_for_a_child_is_no_change(calls: Callable[..., Watched], user_namespaces: None) -> None:
    flags = hex(0x10000000 | 0x04000000 | signal.SIGCHLD)  # CLONE_NEWUSER, CLONE_NEWUTS
    seen = calls(["commit_creds", "switch_task_ns", "clone"], "wide", f"clone,{flags}")
    assert not seen.of("commit_creds")
    assert not seen.of("switch_task_ns")
    assert any(event["retval"] > 0 for event in seen.of("clone"))


# ---- switch_task_ns ----

KINDS = {"mnt": 0x20000, "pid": 0x20000000, "uts": 0x4000000, "ipc": 0x8000000, "net": 0x40000000, "cgroup": 0x2000000}
NONE_NEW = {f"new_{kind}": 0 for kind in KINDS}
OTHERS = {"time": 0x80, "user": 0x10000000}
"""Kinds that the event has no arguments for."""


def number(pid: int, kind: str) -> int:
    """The number of a namespace of a process; for pid that of its children."""
    name = "pid_for_children" if kind == "pid" else kind
    return int(os.readlink(f"/proc/{pid}/ns/{name}").partition("[")[2].rstrip("]"))


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """A process that stays in namespaces of its own."""
    flags = sum(KINDS.values()) | OTHERS["time"]
    # a pid namespace is to be seen once there is someone in it
    script = f"{LIBC}import os, sys\nif libc.unshare({flags}): sys.exit(1)\nif os.fork(): print('there', flush=True)"
    script += "\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "there\n"
        yield process.pid
        process.kill()


INTO = f"""{LIBC}
other, file, *ways = sys.argv[1:]
ids = []
for way in ways:
    child = os.fork()
    if child == 0:
        name, flags = way.split(':')
        if name == 'all':
            fd = os.pidfd_open(int(other))
        else:
            fd = os.open(f'/proc/{{other}}/ns/' + name, os.O_RDONLY)
        os._exit(libc.setns(fd, int(flags)) != 0)
    if os.waitstatus_to_exitcode(os.wait()[1]): sys.exit(1)
    ids.append(child)
open(file, 'w').write(repr(ids))
"""


def test_going_into_namespaces(tracee: Tracee, tmp_path: Path, elsewhere: int) -> None:
    names = {kind: "pid_for_children" if kind == "pid" else kind for kind in KINDS}
    ways = [f"{names[kind]}:{flag}" for kind, flag in KINDS.items()]
    ways += [f"time_for_children:{OTHERS['time']}", f"all:{KINDS['net'] | KINDS['uts']}", "ipc:0"]
    seen = watch(tracee, ["switch_task_ns"], INTO, str(elsewhere), str(tmp_path / "ids"), *ways)
    ids = eval((tmp_path / "ids").read_text())
    new = {kind: number(elsewhere, kind) for kind in KINDS}
    changed = [[kind] for kind in KINDS] + [[], ["net", "uts"], ["ipc"]]
    expected = [
        {"pid": pid, "retval": 0, **NONE_NEW, **{f"new_{kind}": new[kind] for kind in kinds}}
        for pid, kinds in zip(ids, changed, strict=True)
        if kinds
    ]
    assert seen.of("switch_task_ns") == expected


def test_a_namespace_that_it_is_in_already(tracee: Tracee, tmp_path: Path) -> None:
    script = INTO.replace("int(other)", "os.getpid()")
    ways = ["uts:0", "ipc:0", "net:0"]
    seen = watch(tracee, ["switch_task_ns", "setns"], script, str(os.getpid()), str(tmp_path / "ids"), *ways)
    assert not seen.of("switch_task_ns")
    assert [event["retval"] for event in seen.of("setns")] == [0] * 3


UNSHARED = f"""{LIBC}KINDS = {KINDS}
import signal, threading
told = []
def unshare(*flags):
    for flag in flags:
        if libc.unshare(flag): os._exit(1)
    # a pid namespace is to be seen once there is someone in it
    child = os.fork()
    if child == 0:
        signal.pause()
    name = lambda kind: 'pid_for_children' if kind == 'pid' else kind
    number = lambda kind: os.readlink('/proc/thread-self/ns/' + name(kind)).partition('[')[2].rstrip(']')
    told.append((threading.get_native_id(), {{kind: int(number(kind)) for kind in KINDS}}))
    os.kill(child, 9)
    open('told', 'w').write(repr(told))
"""

IN_A_THREAD = f"""{UNSHARED}
thread = threading.Thread(target=unshare, args=[KINDS['net']])
thread.start()
thread.join()
unshare(*KINDS.values())
"""


def test_leaving_namespaces(tracee: Tracee, tmp_path: Path) -> None:
    seen = watch(tracee, ["switch_task_ns"], IN_A_THREAD, cwd=tmp_path).of("switch_task_ns")
    (thread, at_thread), (main, at_main) = eval((tmp_path / "told").read_text())
    expected = [{**NONE_NEW, "pid": thread, "new_net": at_thread["net"]}]
    expected += [{**NONE_NEW, "pid": main, f"new_{kind}": at_main[kind]} for kind in KINDS]
    assert seen == [{"retval": 0, **event} for event in expected]


@WAYS
def test_leaving_namespaces_by_any_call(calls: Callable[..., Watched], how: str) -> None:
    wanted = KINDS["uts"] | KINDS["ipc"]
    seen = calls(["switch_task_ns"], how, f"unshare,{OTHERS['time']}", f"unshare,{wanted}", "unshare,0x1", "unshare,0")
    (event,) = seen.of("switch_task_ns")
    assert {key for key, value in event.items() if key.startswith("new_") and value} == {"new_uts", "new_ipc"}
    assert event["new_uts"] != number(os.getpid(), "uts")
    (told,) = seen.events
    assert event["pid"] == told["hostThreadId"]


def test_a_user_namespace_brings_others(tracee: Tracee, tmp_path: Path, user_namespaces: None) -> None:
    script = f"{UNSHARED}unshare({OTHERS['user']} | {KINDS['mnt']})"
    seen = watch(tracee, ["switch_task_ns", "commit_creds"], script, cwd=tmp_path)
    ((main, now),) = eval((tmp_path / "told").read_text())
    assert seen.of("switch_task_ns") == [{**NONE_NEW, "pid": main, "new_mnt": now["mnt"], "retval": 0}]
    (change,) = changes(seen)
    assert change["user_ns"][0] == number(os.getpid(), "user") != change["user_ns"][1]


# ---- cap_capable ----

CHOWN, NET_BIND_SERVICE, SYS_CHROOT, SYS_PTRACE, SYS_ADMIN = 0, 10, 18, 19, 21


def asked(seen: Watched) -> list[list[int]]:
    """The capabilities that were asked for after each getppid, until the next."""
    told: list[list[int]] = []
    for event in seen.events:
        if event["eventName"] == "getppid":
            told.append([])
        elif told:
            told[-1].append(event["args"][0]["value"])
    return told[:-1]


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process of another user."""
    with subprocess.Popen(["sleep", "60"], user=1000) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("how", ["wide", "narrow"])
def test_capabilities_that_are_asked_for(
    calls: Callable[..., Watched], tracee: Tracee, how: str, stranger: int
) -> None:
    (tracee.folder / "file").touch()
    address = [f"=0200{port:04x}7f000001" + "00" * 8 for port in (47, 0)]
    deeds: list[tuple[str, list[int]]] = [
        ("chown,:file,1000,-1", [CHOWN]),
        ("chroot,:.", [SYS_CHROOT]),
        ("mount,0,:.,0,0", [SYS_ADMIN]),
        (f"bind,3,{address[0]},16", [NET_BIND_SERVICE]),
        (f"ptrace,16,{stranger}", [SYS_PTRACE]),  # PTRACE_ATTACH
        # nothing is asked of those who do these
        (f"bind,4,{address[1]},16", []),
        ("setresuid,-1,-1,-1", []),
        ("chown,:/absent,1,1", []),
        ("setresuid,0,0,0", []),
    ]
    sockets = ["socket,2,2,0"] * 2
    made = [call for deed, _ in deeds for call in ("getppid", deed)]
    seen = calls(["cap_capable", "getppid"], how, *sockets, *made, "getppid")
    assert asked(seen) == [wanted for _, wanted in deeds]


def test_a_capability_that_is_not_had(calls: Callable[..., Watched]) -> None:
    seen = calls(["cap_capable", "getppid"], "wide", capset(0, 0, 0), "getppid", "chroot,:.", "getppid")
    assert asked(seen) == [[SYS_CHROOT]]


def test_filters_take_names(tracee: Tracee) -> None:
    script = "os.chroot('.')\nos.setpriority(os.PRIO_PROCESS, 0, -1)"
    flags = ["--filter", "data.cap=CAP_SYS_CHROOT"]
    told = watch(tracee, ["cap_capable"], script, flags=flags).of("cap_capable")
    assert {event["cap"] for event in told} <= {SYS_CHROOT, "CAP_SYS_CHROOT"}
    assert len(told) == 1
