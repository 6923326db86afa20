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
