"""Disks mounted in containers, by whatever name and call; and mounts that need no disk."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Tracee
from deeds import Deed, expected, told
from programs import calls32


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A block device with a file system on it."""
    if not shutil.which("losetup") or not shutil.which("mkfs.ext4"):
        pytest.skip("no losetup or no mkfs.ext4")
    image = tmp_path / "image"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop devices here: {made.stderr.strip()}")
    device = made.stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


NEWER = """
fs = call(FSOPEN, b'ext4', 0)
call(FSCONFIG, fs, FSCONFIG_SET_STRING, b'source', os.fsencode(device), 0)
call(FSCONFIG, fs, FSCONFIG_SET_STRING, b'errors', b'continue', 0)
"""
NEWER_WITHOUT_A_DISK = """
fs = call(FSOPEN, b'tmpfs', 0)
call(FSCONFIG, fs, FSCONFIG_SET_STRING, b'source', os.fsencode(device), 0)
call(FSCONFIG, fs, FSCONFIG_CMD_CREATE, None, None, 0)
"""
CREATE = "call(FSCONFIG, fs, FSCONFIG_CMD_CREATE, None, None, 0)\n"


def test_disk_mount(tracee: Tracee, disk: str, compile_c: Callable[..., Path]) -> None:
    before = f"unshare('mnt')\ndevice, work = {disk!r}, sys.argv[1]\nplace = work + '/p'\nos.mkdir(place)\n"
    plain = f"{before}mount(device, place, 'ext4')\n"
    node = "os.mknod(work + '/null', 0o60600, os.stat(device).st_rdev)\n"
    narrow = calls32(compile_c)
    deeds = [
        Deed("on the host", plain, found=False, inside=False),
        Deed("no disk", f"{before}mount(device, place, 'tmpfs')", found=False),
        Deed("bound", f"{before}bind('/etc', place)", found=False),
        Deed("read-only", f"{before}bind('/etc', place)\nmount(device, place, None, MS_BIND | 33)", found=False),
        Deed("set up, not created", before + NEWER, found=False),
        Deed("no disk, newer", before + NEWER_WITHOUT_A_DISK, found=False),
        Deed("plain", plain),
        Deed("node elsewhere", f"{before}{node}mount(work + '/null', place, 'ext4')"),
        Deed("by a link", f"{before}os.symlink(device, work + '/x')\nmount(work + '/x', place, 'ext4')"),
        Deed("relative", f"{before}os.chdir('/dev')\nmount('./' + os.path.basename(device), place, 'ext4')"),
        Deed("in a thread", f"{before}in_thread(lambda: mount(device, place, 'ext4'))"),
        Deed("newer", before + NEWER + CREATE),
        Deed("newer, duplicated", f"{before}{NEWER}fs = os.dup(fs)\n{CREATE}"),
        Deed("newer, by a child", f"{before}{NEWER}\nif not os.fork():\n    {CREATE}    os._exit(0)\nos.wait()"),
    ]  # fmt: skip
    if narrow:
        words = f"[{narrow!r}, f'21,:{{device}},:{{place}},:ext4,1,0']"
        deeds.append(Deed("by a 32-bit call", f"{before}os.execv({narrow!r}, {words})"))
    deeds.append(Deed("at last", plain))
    found, findings = told(tracee, "disk_mount", deeds)
    assert found == expected(deeds)
    for finding in findings:
        fields = {arg["name"]: arg["value"] for arg in finding["args"]}
        assert fields["type"] == "ext4"
        assert finding["container"]["id"]
