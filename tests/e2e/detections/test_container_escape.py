"""Ways out of a container: by hand in a cgroup that is called like a container's, and out of a real one."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Run, Tracee, wait_until
from deeds import Deed, expected, told
from handmade import root
from kernel_events import values
from runtimes import Containerd
from test_containers_asked import AtHome

HANDLES = {"x86_64": (303, 304), "aarch64": (264, 265)}[platform.machine()]
HOME = "home = {name: os.open(f'/proc/self/ns/{name}', os.O_RDONLY) for name in ('mnt', 'uts', 'ipc', 'net')}\n"
ENTER = "def enter(name):\n    check(libc.setns(home[name], NEW_NAMESPACE[name]), name)\n"
NAMESPACES = HOME + ENTER
ANOTHER = """
import signal
pid = os.fork()
if pid == 0:
    unshare('uts')
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(pid, os.WUNTRACED)
home['uts'] = os.open(f'/proc/{pid}/ns/uts', os.O_RDONLY)
enter('uts')
os.kill(pid, signal.SIGCONT)
os.waitpid(pid, 0)
"""
HANDLE = f"""
handle = ctypes.create_string_buffer(struct.pack('=Ii', 128, 0) + bytes(128))
number = ctypes.c_int()
file = sys.argv[1] + '/file'
open(file, 'w').close()
check(libc.syscall({HANDLES[0]}, AT_FDCWD, os.fsencode(file), handle, ctypes.byref(number), 0), 'name_to_handle_at')
"""
OPEN_HANDLE = f"folder = os.open('/', 0)\ncheck(libc.syscall({HANDLES[1]}, folder, handle, 0), 'open_by_handle_at')\n"
LISTEN = (
    "path = sys.argv[1] + '/docker.sock'\ns = socket.socket(socket.AF_UNIX)\ns.bind(path)\ns.listen()\nconnect(path)"
)
CRIO = LISTEN.replace("docker", "crio")
BINFMT = "unshare('mnt')\nplace = sys.argv[1] + '/b'\nmount('none', place, 'binfmt_misc')\n"
CORE = (
    "unshare('mnt')\nplace = sys.argv[1] + '/p'\nmount('none', place, 'proc')\nf = place + '/sys/kernel/core_pattern'\n"
)


OWN = """
top = {top!r}
own = next(top + line.rstrip().split(':', 2)[2] for line in open('/proc/self/cgroup') if '/docker-' in line)
def move(folder):
    with open(folder + '/cgroup.procs', 'w') as file:
        file.write(str(os.getpid()))
"""
WITHIN = """
os.mkdir(own + '/child')
for name in ('cpuset.cpus', 'cpuset.mems'):
    if os.path.exists(f'{own}/child/{name}'):
        open(f'{own}/child/{name}', 'w').write(open(f'{own}/{name}').read())
move(own + '/child')
move(own)
os.rmdir(own + '/child')
"""


def test_container_escape(tracee: Tracee) -> None:
    own = OWN.replace("{top!r}", repr(str(root())))
    deeds = [
        Deed("to a cgroup within", own + WITHIN, found=False),
        Deed("listed", f"{own}os.listdir(top)\nopen(top + '/cgroup.procs').close()", found=False),
        Deed("out of its cgroup", f"{own}move(top)"),
        Deed("new namespaces", "unshare('mnt', 'uts', 'ipc')", found=False),
        Deed("back to the host's network", f"{NAMESPACES}unshare('net')\nenter('net')", found=False),
        Deed("a child's namespace", f"{NAMESPACES}{ANOTHER}", found=False),
        Deed("by the host", f"{NAMESPACES}unshare('uts')\nenter('uts')", found=False, inside=False),
        Deed("named, not opened", HANDLE, found=False),
        Deed("read only", f"{CORE}os.open(f, 0)", found=False),
        Deed("another socket", LISTEN.replace("docker", "other"), found=False),
        Deed("uts", f"{NAMESPACES}unshare('uts')\nenter('uts')"),
        Deed("mnt", f"{NAMESPACES}unshare('mnt', 'ipc')\nenter('mnt')"),
        Deed("all by a pidfd", "fd = os.pidfd_open(os.getppid())\nunshare('uts', 'ipc')\n"
             "check(libc.setns(fd, NEW_NAMESPACE['uts'] | NEW_NAMESPACE['ipc']), 'setns')"),
        Deed("in a thread", f"{NAMESPACES}def deed():\n    check(libc.unshare(0x4000000), '')\n    enter('uts')\n"
             "in_thread(deed)"),
        Deed("handle", HANDLE + OPEN_HANDLE),
        Deed("core_pattern", f"{CORE}os.open(f, 1)"),
        Deed("docker", LISTEN),
        Deed("cri-o", CRIO),
    ]  # fmt: skip
    if "binfmt_misc" in Path("/proc/filesystems").read_text(encoding="utf-8"):
        deeds.append(Deed("binfmt_misc, read", f"{BINFMT}os.open(place + '/status', 0)", found=False))
        deeds.append(Deed("binfmt_misc", f"{BINFMT}os.open(place + '/register', 1)"))
    deeds.append(Deed("at last", f"{NAMESPACES}unshare('uts')\nenter('uts')"))
    found, findings = told(tracee, "container_escape", deeds)
    assert found == expected(deeds)
    ways = {values(finding)["way"] for finding in findings}
    assert {"setns:uts", "setns:mnt", "setns:uts,ipc", "open_by_handle_at", "docker_abuse", "runtime_socket"} <= ways
    assert {"core_pattern_modification", "cgroup:/"} <= ways


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    with AtHome() as daemon:
        yield daemon


def host_namespaces() -> str:
    """The folder of a task in the host's namespaces which we may look at."""
    readable = subprocess.run(["readlink", "/proc/1/ns/mnt"], capture_output=True, check=False).returncode == 0
    return "1" if readable else "2"


def test_out_of_a_container_of_containerd(tracee: Tracee, containerd: Containerd) -> None:
    """What starts, runs and removes containers is silent, and so is what these do within."""
    host = f"/host/{host_namespaces()}/ns"
    proc = ["--mount", "type=bind,src=/proc,dst=/host,options=rbind:rw"]
    arguments = ("--events", "container_escape", "--output", "json")
    with tracee.run(*arguments, "--runtime-sockets", f"containerd={containerd.socket}") as run:
        quiet = containerd.run("quiet")
        inside(containerd, quiet, "ls /proc > /dev/null && cat /etc/passwd > /dev/null && busybox true")
        containerd.remove(quiet)
        loud = containerd.run("loud", flags=["--privileged", *proc])
        inside(containerd, loud, "busybox unshare -u true")
        inside(containerd, loud, f"busybox nsenter --uts={host}/uts true")
        wait_until(lambda: ways(run) == {"setns:uts"}, "the host's uts namespace to be entered")
        inside(containerd, loud, f"busybox nsenter --mount={host}/mnt /bin/true")
        wait_until(lambda: "setns:mnt" in ways(run), "the host's mount namespace to be entered")
        containerd.remove(loud)
        findings = run.stop()
    assert {finding["container"]["id"] for finding in findings} == {loud}
    assert {finding["processName"] for finding in findings} <= {"busybox", "nsenter"}


def ways(run: Run) -> set[str]:
    return {values(finding)["way"] for finding in run.events_so_far()}


def inside(daemon: Containerd, name: str, script: str) -> None:
    daemon.ask("tasks", "exec", "--exec-id", f"{abs(hash(script))}", name, "/bin/sh", "-c", script)
