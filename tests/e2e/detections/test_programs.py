"""Programs that begin in ways that honest ones do not."""

from __future__ import annotations

import subprocess

from conftest import Tracee
from deeds import Deed, expected, told

MEMORY = """
import shutil
def memfd(content=None, name='x'):
    fd = os.memfd_create(name, 0)
    os.write(fd, content or open('/usr/bin/true', 'rb').read())
    return fd
def shm(name, source='/usr/bin/true', text=None):
    path = f'/dev/shm/tracee-{os.getpid()}-{name}'
    open(path, 'w').write(text) if text else shutil.copy(source, path)
    os.chmod(path, 0o755)
    return path
def run(*words, path=None):
    "In a child, whose file in memory goes with it."
    pid = os.fork()
    if pid == 0:
        os.execv(path or words[0], words)
    _, status = os.waitpid(pid, 0)
    for word in words:
        if str(word).startswith('/dev/shm/tracee-'): os.unlink(word)
    assert status == 0, status
"""


def test_fileless_execution(tracee: Tracee) -> None:
    loader = subprocess.check_output(["ldd", "/usr/bin/true"], text=True).split()[-2]
    deeds = [
        Deed("from a disk", f"{MEMORY}run('/usr/bin/true')", found=False, inside=False),
        Deed(
            "a copy on a disk",
            f"{MEMORY}path = sys.argv[1] + '/x'\nshutil.copy('/usr/bin/true', path)\nrun(path)",
            found=False,
            inside=False,
        ),
        Deed("data in memory", f"{MEMORY}run('/usr/bin/cat', shm('x'))", found=False, inside=False),
        Deed("code that names memory", f"{MEMORY}run('/bin/sh', '-c', ': /dev/shm/x')", found=False, inside=False),
        Deed(
            "a descriptor of a disk's",
            f"{MEMORY}os.execve(os.open('/usr/bin/true', os.O_RDONLY), ['true'], {{}})",
            found=False,
            inside=False,
        ),
        Deed("a memfd", f"{MEMORY}os.execve(memfd(), ['x'], {{}})", inside=False),
        Deed(
            "a memfd with an honest name",
            f"{MEMORY}os.execve(memfd(name='runc_cloned:/proc/self/exe'), ['runc', 'init'], {{}})",
            inside=False,
        ),
        Deed("a memfd by proc", f"{MEMORY}run(f'/proc/self/fd/{{memfd()}}')", inside=False),
        Deed("shared memory", f"{MEMORY}run(shm('x'))", inside=False),
        Deed(
            "by a link",
            f"{MEMORY}link = sys.argv[1] + '/l'\nos.symlink(shm('x'), link)\nrun(link)\nos.unlink(os.readlink(link))",
            inside=False,
        ),
        Deed(
            "relative",
            f"{MEMORY}path = shm('x')\nos.chdir('/dev')\nrun(path[5:], path=path[5:])\nos.unlink(path)",
            inside=False,
        ),
        Deed(
            "mounted elsewhere",
            f"{MEMORY}path = shm('x')\nunshare('mnt')\nbind('/dev/shm', sys.argv[1] + '/m')\n"
            "run(path.replace('/dev/shm', sys.argv[1] + '/m'))\nos.unlink(path)",
            inside=False,
        ),
        Deed("a script", f"{MEMORY}run(shm('s', text='#!/bin/sh\\nexit 0\\n'))", inside=False),
        Deed(
            "a script in a memfd",
            f"{MEMORY}fd = memfd(b'#!/bin/sh\\nread x; exit 0\\n')  # as hold()\nos.execve(fd, ['x'], {{}})",
            inside=False,
        ),
        Deed("by an interpreter", f"{MEMORY}run('/bin/sh', '-e', shm('s', text='exit 0\\n'))", inside=False),
        Deed("by the loader", f"{MEMORY}run({loader!r}, shm('x'))", inside=False),
        Deed("in a container", f"{MEMORY}in_thread(lambda: run(shm('x')))"),
    ]
    names, _ = told(tracee, "fileless_execution", deeds)
    assert names == expected(deeds)


SERVER = """
import shutil
def server(name, script):
    "Runs it in a program of that name."
    copy = sys.argv[1] + '/' + name
    shutil.copy(os.path.realpath(sys.executable), copy)
    os.execv(copy, [name, '-s', '-S', '-c', 'import os, sys, subprocess\\n' + script, *sys.argv[1:]])
"""


def test_illegitimate_shell(tracee: Tracee) -> None:
    copied = (
        "import shutil; shutil.copy('/bin/sh', sys.argv[1] + '/harmless'); "
        "subprocess.run([sys.argv[1] + '/harmless', '-c', 'read x'], stdin=0)"
    )
    linked = "os.symlink('/bin/sh', sys.argv[1] + '/x'); subprocess.run([sys.argv[1] + '/x', '-c', 'exit 0'])"
    renamed = "import ctypes; ctypes.CDLL(None).prctl(15, b'harmless'); subprocess.run(['/bin/sh', '-c', 'exit 0'])"
    deeds = [
        Deed(
            "a shell of another's",
            f"{SERVER}server('postgres', \"subprocess.run(['/bin/sh', '-c', 'exit 0'])\")",
            found=False,
            inside=False,
        ),
        Deed(
            "another program",
            f"{SERVER}server('nginx', \"subprocess.run(['/usr/bin/true'])\")",
            found=False,
            inside=False,
        ),
        Deed(
            "a name that only begins so",
            f"{SERVER}server('nginx-debug-ui', \"subprocess.run(['/bin/sh', '-c', 'exit 0'])\")",
            found=False,
            inside=False,
        ),
        Deed(
            "a shell that starts one",
            f"{SERVER}shutil.copy('/usr/bin/true', sys.argv[1] + '/nginx')\n"
            "os.execv('/bin/sh', ['sh', '-c', sys.argv[1] + '/nginx'])",
            found=False,
            inside=False,
        ),
        Deed("nginx", f"{SERVER}server('nginx', \"subprocess.run(['/bin/sh', '-c', 'exit 0'])\")", inside=False),
        Deed(
            "instead of itself",
            f"{SERVER}server('httpd', \"os.execv('/bin/bash', ['bash', '-c', 'exit 0'])\")",
            inside=False,
        ),
        Deed(
            "a thread of Tomcat's",
            f"{SERVER}server('http-nio-8080-e', \"os.execv('/bin/sh', ['sh', '-c', 'exit 0'])\")",
            inside=False,
        ),
        Deed(
            "by a link",
            f"{SERVER}server('lighttpd', {linked!r})",
            inside=False,
        ),
        Deed("under another name", f"{SERVER}server('caddy', {renamed!r})", inside=False),
        Deed("a shell's copy", f"{SERVER}server('nginx', {copied!r})\n# hold()", inside=False),
        Deed("in a container", f"{SERVER}server('apache2', \"subprocess.run(['/bin/sh', '-c', 'exit 0'])\")"),
    ]
    names, _ = told(tracee, "illegitimate_shell", deeds)
    assert names == expected(deeds)


ENV = "env = dict(os.environ)\ndef run(**more):\n    os.execve('/usr/bin/true', ['true'], {**env, **more})\n"


def test_ld_preload(tracee: Tracee) -> None:
    own = f"{ENV}folder = sys.argv[1] + '/lib'\nos.mkdir(folder)\n"
    etc = "unshare('mnt')\nmount('none', '/etc', 'tmpfs')\n"
    many = "{f'A{i}': '' for i in range(50000)}"
    deeds = [
        Deed("another variable", f"{ENV}run(MY_LD_PRELOAD='/tmp/x.so', LD_BIND_NOW='1')", found=False, inside=False),
        Deed("an empty one", f"{ENV}run(LD_PRELOAD='', LD_LIBRARY_PATH='')", found=False, inside=False),
        Deed(
            "what is made for it",
            f"{ENV}run(LD_PRELOAD='libfakeroot-sysv.so /usr/libexec/coreutils/libstdbuf.so')",
            found=False,
            inside=False,
        ),
        Deed(
            "libraries of its own",
            f"{own}open(folder + '/librustc_driver.so', 'w').close()\nrun(LD_LIBRARY_PATH=folder + ':/usr/lib/jvm')",
            found=False,
            inside=False,
        ),
        Deed(
            "reading the file",
            f"{etc}open('/etc/ld.so.preload', 'w').close() if 0 else None\n"
            "try: open('/etc/ld.so.preload')\nexcept OSError: pass",
            found=False,
            inside=False,
        ),
        Deed("another file", f"{etc}open('/etc/ld.so.conf', 'w').close()", found=False, inside=False),
        Deed("LD_PRELOAD", f"{ENV}run(LD_PRELOAD='/usr/lib/x.so')", inside=False),
        Deed("LD_AUDIT", f"{ENV}run(LD_AUDIT='/nowhere/x.so')", inside=False),
        Deed("behind many", f"{ENV}run(**{many}, LD_PRELOAD='/x.so')", inside=False),
        Deed("one that is known, elsewhere", f"{ENV}run(LD_PRELOAD='/usr/lib/../../tmp/libfakeroot.so')", inside=False),
        Deed("where all may write", f"{ENV}run(LD_LIBRARY_PATH='/opt/x:/tmp')", inside=False),
        Deed(
            "a library of the system's",
            f"{own}open(folder + '/libz.so.1', 'w').close()\n"
            "open(folder + '/libc.so.6', 'w').close()\nenv['LD_LIBRARY_PATH'] = folder\n"
            "os.execve('/sbin/ldconfig', ['ldconfig', '--help'], env)",
            inside=False,
        ),
        Deed("the file", f"{etc}open('/etc/ld.so.preload', 'w').close()", inside=False),
        Deed("renamed", f"{etc}open('/etc/x', 'w').close()\nos.rename('/etc/x', '/etc/ld.so.preload')", inside=False),
        Deed("linked", f"{etc}open('/etc/x', 'w').close()\nos.link('/etc/x', '/etc/ld.so.preload')", inside=False),
        Deed("a link", f"{etc}os.symlink('/tmp/x', '/etc/ld.so.preload')", inside=False),
        Deed("in a container", f"{ENV}run(LD_PRELOAD='/tmp/x.so')"),
    ]
    names, _ = told(tracee, "ld_preload", deeds)
    assert names == expected(deeds)


CONNECTION = """
import socket, fcntl, array
server = socket.socket(socket.AF_INET6 if len(sys.argv) > 2 else socket.AF_INET)
server.bind(('::1' if len(sys.argv) > 2 else '127.0.0.1', 0))
server.listen(5)
kept_open = []
def connected(family=None):
    made = socket.socket(server.family)
    kept_open.append(made)
    made.connect(server.getsockname())
    made.set_inheritable(True)
    return made
def until_told():
    "Stays until the standard input that it was given at first is closed."
    os.read(kept, 1)
kept = os.dup(0)
open(sys.argv[1] + '/held', 'w').close()
"""


def test_stdio_over_socket(tracee: Tracee) -> None:
    shell = "os.execv('/bin/sh', ['sh', '-c', f'cat <&{kept} >/dev/null'])"
    deeds = [
        Deed("another descriptor", f"{CONNECTION}os.dup2(connected().fileno(), 77)", found=False, inside=False),
        Deed(
            "a Unix socket",
            f"{CONNECTION}pair = socket.socketpair()\nos.dup2(pair[0].fileno(), 0)",
            found=False,
            inside=False,
        ),
        Deed(
            "one without a peer",
            f"{CONNECTION}made = socket.socket()\nos.dup2(made.fileno(), 0)",
            found=False,
            inside=False,
        ),
        Deed("a file", f"{CONNECTION}os.dup2(os.open('/dev/null', os.O_RDONLY), 0)", found=False, inside=False),
        Deed(
            "a shell with a Unix socket",
            f"{CONNECTION}pair = socket.socketpair()\npair[0].set_inheritable(True)\n"
            "os.dup2(pair[0].fileno(), 0)\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])",
            found=False,
            inside=False,
        ),
        Deed("dup2", f"{CONNECTION}os.dup2(connected().fileno(), 0)", inside=False),
        Deed("dup3", f"{CONNECTION}os.dup2(connected().fileno(), 1, inheritable=False)", inside=False),
        Deed(
            "fcntl",
            f"{CONNECTION}made = connected()\nos.close(2)\nfcntl.fcntl(made.fileno(), fcntl.F_DUPFD, 0)",
            inside=False,
        ),
        Deed("dup", f"{CONNECTION}made = connected()\nos.close(0)\nos.dup(made.fileno())", inside=False),
        Deed("connect", f"{CONNECTION}os.close(0)\nmade = connected()\nassert made.fileno() == 0", inside=False),
        Deed(
            "accept",
            f"{CONNECTION}client = connected()\nos.close(0)\nassert server.accept()[0].fileno() == 0",
            inside=False,
        ),
        Deed("in a thread", f"{CONNECTION}in_thread(lambda: os.dup2(connected().fileno(), 0))", inside=False),
        Deed(
            "a shell by inheritance",
            f"{CONNECTION}made = connected()\nos.dup2(made.fileno(), 60)\npid = os.fork()\n"
            f"if pid == 0:\n    os.dup2(60, 0)\n    {shell}\nos.waitpid(pid, 0)",
            inside=False,
        ),
        Deed("in a container", f"{CONNECTION}os.dup2(connected().fileno(), 0)"),
    ]
    names, findings = told(tracee, "stdio_over_socket", deeds)
    assert names == expected(deeds)
    assert all(finding["args"][0]["value"] == "127.0.0.1" and finding["args"][1]["value"] for finding in findings)


def test_stdio_over_socket_of_ipv6(tracee: Tracee) -> None:
    script = f"sys.argv.append('6')\n{CONNECTION}os.dup2(connected().fileno(), 0)"
    deeds = [
        Deed("another descriptor", script.replace(", 0)", ", 70)"), found=False, inside=False),
        Deed("dup2", script, inside=False),
    ]
    names, (finding, *_) = told(tracee, "stdio_over_socket", deeds)
    assert names == expected(deeds)
    assert finding["args"][0]["value"] == "::1"


CODE = """
import mmap
def area(protection=3):
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, ctypes.c_size_t(4096), protection, 0x22, -1, ctypes.c_long(0))
    return ctypes.c_void_p(at)
def protect(at, protection):
    check(libc.mprotect(at, ctypes.c_size_t(4096), protection), 'mprotect')
"""


AGAIN = """
import shutil
def again(program):
    "The same deed, by a copy of this program."
    shutil.copy(os.path.realpath(sys.executable), program)
    script = sys.orig_argv[sys.orig_argv.index('-c') + 1]
    os.execv(program, [os.path.basename(program), '-s', '-S', '-c', script, *sys.argv[1:]])
"""


def test_dynamic_code_loading(tracee: Tracee) -> None:
    is_node = "os.path.basename(os.readlink('/proc/self/exe')) == 'node'"
    place = "    unshare('mnt')\n    mount('none', '/usr/local/bin', 'tmpfs')\n    again('/usr/local/bin/node')\n"
    installed = f"{AGAIN}if not {is_node}:\n{place}"
    elsewhere = f"{AGAIN}if not {is_node}: again(sys.argv[1] + '/node')\n"
    change = "at = area()\nprotect(at, 5)"
    deeds = [
        Deed("reading only", f"{CODE}protect(area(), 1)", found=False, inside=False),
        Deed("code that was never written to", f"{CODE}protect(area(1), 5)", found=False, inside=False),
        Deed("writable at once", f"{CODE}area(7)", found=False, inside=False),
        Deed("an installed compiler", f"{installed}{CODE}{change}", found=False, inside=False),
        Deed("what was written", f"{CODE}{change}", inside=False),
        Deed("in a thread", f"{CODE}at = area()\nin_thread(lambda: protect(at, 5))", inside=False),
        Deed("a copy that is called so", f"{elsewhere}{CODE}{change}", inside=False),
        Deed("a name that it gave itself", f"{CODE}libc.prctl(15, b'node')\n{change}", inside=False),
        Deed("in a container", f"{CODE}{change}"),
    ]
    names, _ = told(tracee, "dynamic_code_loading", deeds)
    assert names == expected(deeds)
