"""Users who become root by ways that are not the system's."""

from __future__ import annotations

from conftest import Tracee
from deeds import Deed, expected, told

NOBODY = 65534
SET_UID = f"""
import shutil
def owned(name, source, mode=0o4755):
    "A program of root's."
    os.chmod(sys.argv[1], 0o755)
    path = sys.argv[1] + '/' + name
    shutil.copy(source, path)
    os.chmod(path, mode)
    return path
def as_nobody(*words):
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid({NOBODY})
        os.setuid({NOBODY})
        os.execv(words[0], words)
    assert os.waitpid(pid, 0)[1] == 0
def open_up():
    "Lets others come to the folder, for as long as this process sees it so."
    unshare('mnt')
    mount('none', '/mnt', 'tmpfs')
    sys.argv[1] = '/mnt'
"""


def test_set_uid_programs(tracee: Tracee) -> None:
    head = f"{SET_UID}held = sys.argv[1]\nopen_up()\n"
    deeds = [
        Deed("root becomes nobody", f"{SET_UID}as_nobody('/usr/bin/true')", found=False, inside=False),
        Deed("and root again", f"os.seteuid({NOBODY})\nos.seteuid(0)", found=False, inside=False),
        Deed(
            "a program without the bit",
            f"{head}as_nobody(owned('x', '/usr/bin/true', 0o755))",
            found=False,
            inside=False,
        ),
        Deed("one of the system's", f"{SET_UID}as_nobody('/bin/su', '--version')", found=False, inside=False),
        Deed(
            "a namespace of its own",
            f"{SET_UID}pid = os.fork()\nif pid == 0:\n    os.setuid({NOBODY})\n"
            "    libc.unshare(0x10000000)\n    os._exit(0)\nos.waitpid(pid, 0)",
            found=False,
            inside=False,
        ),
        Deed("a program elsewhere", f"{head}as_nobody(owned('x', '/usr/bin/true'))", inside=False),
        Deed("a shell", f"{head}as_nobody(owned('bash', '/bin/bash'), '-c', 'exit 0')", inside=False),
        Deed("a shell's copy", f"{head}as_nobody(owned('harmless', '/bin/bash'), '-p', '-c', 'exit 0')", inside=False),
        Deed(
            "a shell where programs are installed",
            f"{SET_UID}unshare('mnt')\nmount('none', '/usr/local/bin', 'tmpfs')\n"
            "sys.argv[1] = '/usr/local/bin'\n"
            "as_nobody(owned('dash', '/bin/dash'), '-c', 'exit 0')",
            inside=False,
        ),
        Deed("in a container", f"{head}as_nobody(owned('x', '/usr/bin/true'))"),
    ]
    names, findings = told(tracee, "privilege_escalation", deeds)
    assert names == expected(deeds)
    ways = {finding["args"][0]["value"] for finding in findings}
    assert ways == {"set-uid program", "set-uid shell"}


SUDOERS = """
unshare('mnt')
mount('none', '/etc', 'tmpfs')
os.close(os.open('/etc/sudoers', os.O_RDONLY | os.O_CREAT))
os.chmod('/etc/sudoers', 0o666)
def as_user(user, flags):
    pid = os.fork()
    if pid == 0:
        os.setuid(user)
        os.open('/etc/sudoers', flags)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_sudoers_that_others_than_root_may_write(tracee: Tracee) -> None:
    deeds = [
        Deed("root", f"{SUDOERS}as_user(0, os.O_WRONLY)", found=False, inside=False),
        Deed("reading", f"{SUDOERS}as_user({NOBODY}, os.O_RDONLY)", found=False, inside=False),
        Deed(
            "another file",
            f"{SUDOERS}os.rename('/etc/sudoers', '/etc/x')\nos.symlink('x', '/etc/sudoers.x')\n"
            f"os.setuid({NOBODY})\nos.open('/etc/sudoers.x', os.O_WRONLY)",
            found=False,
            inside=False,
        ),
        Deed("nobody", f"{SUDOERS}as_user({NOBODY}, os.O_WRONLY)", inside=False),
    ]
    names, (finding, *_) = told(tracee, "privilege_escalation", deeds)
    assert names == expected(deeds)
    assert finding["args"][0]["value"] == "sudoers"
    assert finding["triggeredBy"]["eventName"] == "sudoers_modification"
