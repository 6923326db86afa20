"""Files opened, named, unnamed and changed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import CAN_LOOK_UP, watch, watch_program


def test_open(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    (tmp_path / "link").symlink_to("folder")
    seen = watch(tracee, ["security_file_open"], "os.open('link/../link/file', os.O_RDWR | os.O_APPEND)", cwd=tmp_path)
    (event,) = [e for e in seen.of("security_file_open") if e["pathname"] == str(tmp_path / "folder/file")]
    file = os.stat(tmp_path / "folder" / "file")
    assert event["syscall_pathname"] == "link/../link/file"
    assert (event["dev"], event["inode"], event["ctime"]) == (file.st_dev, file.st_ino, file.st_ctime_ns)
    assert event["flags"] & (os.O_RDWR | os.O_APPEND) == os.O_RDWR | os.O_APPEND
    assert (event["fs_type"], event["file_name"]) == (file_system(tmp_path), "file")


def file_system(path: Path) -> int:
    """The number of a path's type of file system, as stat(1) tells it."""
    command = ["stat", "--file-system", "--format", "%t", str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout, 16)


MOUNTED = """
import ctypes
assert ctypes.CDLL(None).unshare(0x20000) == 0  # CLONE_NEWNS
call = ctypes.CDLL(None).mount
assert call(b"none", b"/", None, 1 << 18 | 1 << 14, None) == 0  # private, and all below
assert call(b"proc", os.fsencode(sys.argv[1]), b"proc", 0, None) == 0
kernel = os.path.join(os.fsencode(sys.argv[1]), b"sys/kernel")
assert call(kernel + b"/ostype", os.fsencode(sys.argv[2]), None, 1 << 12, None) == 0  # bound
os.open(kernel + b"/ostype", os.O_RDONLY)
os.open(sys.argv[2], os.O_RDONLY)
os.chroot(kernel)
os.open("/ostype", os.O_RDONLY)
"""


def test_an_open_says_what_file_it_is_wherever_it_is_mounted(tracee: Tracee, tmp_path: Path) -> None:
    folder, file = tmp_path / "p", tmp_path / "elsewhere"
    folder.mkdir()
    file.touch()
    names = ("--filter", "data.fs_type=PROC_SUPER_MAGIC", "--filter", "data.file_name=ostype")
    seen = watch(tracee, ["security_file_open"], MOUNTED, folder, file, flags=names)
    paths = [f"{folder}/sys/kernel/ostype", str(file), "/ostype"]
    assert [event["pathname"] for event in seen.of("security_file_open")] == paths


UNLINK = """
os.unlink(b'folder/\\xff\\xfe')
os.unlink('link/two')
fd = os.open('folder', os.O_RDONLY)
os.unlink('three', dir_fd=fd)
os.rmdir('empty')
try: os.unlink('absent')
except OSError: pass
"""


def test_unlink(tracee: Tracee, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("folder")
    inodes = []
    for name in (b"\xff\xfe", b"two", b"three"):
        path = os.path.join(os.fsencode(folder), name)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        file = os.stat(path)
        inodes.append((file.st_ino, file.st_dev, file.st_ctime_ns))
    told = watch(tracee, ["security_inode_unlink"], UNLINK, cwd=tmp_path).of("security_inode_unlink")
    names = [rf"{folder}/\xff\xfe", f"{folder}/two", f"{folder}/three"]
    assert [e["pathname"] for e in told] == names
    assert [(e["inode"], e["dev"], e["ctime"]) for e in told] == inodes


def test_rename(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "one").touch()
    (tmp_path / "link").symlink_to("b")
    script = "os.rename('a/one', 'link/two'); os.rename('link/two', '../' + os.path.basename(os.getcwd()) + '/three')"
    told = watch(tracee, ["security_inode_rename"], script, cwd=tmp_path).of("security_inode_rename")
    assert [(e["old_path"], e["new_path"]) for e in told] == [
        (f"{tmp_path}/a/one", f"{tmp_path}/b/two"),
        (f"{tmp_path}/b/two", f"{tmp_path}/three"),
    ]


def test_symlink_and_node(tracee: Tracee, tmp_path: Path) -> None:
    script = """
os.symlink('/etc/../nowhere', 'link')
os.mkfifo('pipe', 0o640)
os.mknod('null', 0o20600, os.makedev(1, 3))
os.mknod('plain', 0o100600)
"""
    seen = watch(tracee, ["security_inode_symlink", "security_inode_mknod"], script, cwd=tmp_path)
    (link,) = seen.of("security_inode_symlink")
    assert (link["linkpath"], link["target"]) == (f"{tmp_path}/link", "/etc/../nowhere")
    nodes = [(e["file_name"], oct(e["mode"]), e["dev"]) for e in seen.of("security_inode_mknod")]
    assert nodes == [(f"{tmp_path}/pipe", "0o10640", 0), (f"{tmp_path}/null", "0o20600", os.makedev(1, 3))]


LINK = """
os.link('one', 'folder/two')
here = os.open('.', os.O_RDONLY)
os.link('pointer', 'three', src_dir_fd=here, follow_symlinks=True)
os.link('pointer', 'four', follow_symlinks=False)
fd = os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o600)
os.link(f'/proc/self/fd/{fd}', 'five', src_dir_fd=here, follow_symlinks=True)
try: os.link('absent', 'six')
except OSError: pass
"""


def test_hard_links(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "one").touch()
    (tmp_path / "pointer").symlink_to("one")
    told = watch(tracee, ["security_inode_link"], LINK, cwd=tmp_path).of("security_inode_link")
    names = ["real/two", "three", "four", "five"]
    assert [e["new_path"] for e in told] == [f"{tmp_path}/{name}" for name in names]
    files = [(tmp_path / name).lstat() for name in names]
    assert [(e["inode"], e["dev"]) for e in told] == [(file.st_ino, file.st_dev) for file in files]
    assert told[0]["old_path"] == f"{tmp_path}/one"


def test_permissions(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    script = """
os.chmod('file', 0o6711)
os.fchmod(os.open('file', os.O_RDONLY), 0o600)
try: os.chmod('absent', 0)
except OSError: pass
"""
    told = watch(tracee, ["chmod_common"], script, cwd=tmp_path).of("chmod_common")
    assert [(e["pathname"], oct(e["mode"] & 0o7777), e["retval"]) for e in told] == [
        (f"{tmp_path}/file", "0o6711", 0),
        (f"{tmp_path}/file", "0o600", 0),
    ]


def test_truncate(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345678")
    script = """
os.truncate('file', 5)
fd = os.open('file', os.O_RDWR)
os.ftruncate(fd, 3)
os.open('file', os.O_WRONLY | os.O_TRUNC)
"""
    told = watch(tracee, ["do_truncate"], script, cwd=tmp_path).of("do_truncate")
    file = os.stat(tmp_path / "file")
    expected = [(f"{tmp_path}/file", file.st_ino, file.st_dev, length) for length in (5, 3, 0)]
    assert [(e["pathname"], e["inode"], e["dev"], e["length"]) for e in told] == expected


def test_times(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    script = """
os.utime('link', ns=(1_000_000_007, 2_000_000_009))
os.utime('link', ns=(3_000_000_000, 4_000_000_000), follow_symlinks=False)
"""
    told = watch(tracee, ["vfs_utimes"], script, cwd=tmp_path).of("vfs_utimes")
    inode, link = os.stat(tmp_path / "file").st_ino, os.lstat(tmp_path / "link").st_ino
    assert [(e["pathname"], e["inode"], e["atime"], e["mtime"]) for e in told] == [
        (f"{tmp_path}/file", inode, 1_000_000_007, 2_000_000_009),
        (f"{tmp_path}/link", link, 3_000_000_000, 4_000_000_000),
    ]


def test_watches(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    script = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init()
assert libc.inotify_add_watch(fd, b'file', 2) > 0
assert libc.inotify_add_watch(fd, b'absent', 2) < 0
"""
    seen = watch(tracee, ["inotify_watch", "security_path_notify"], script, cwd=tmp_path)
    file = os.stat(tmp_path / "file")
    (event,) = seen.of("inotify_watch")
    assert event["pathname"] == f"{tmp_path}/file"
    # where the compiler left no function to hook, as on arm64, it is told from system calls
    if CAN_LOOK_UP or not seen.by_calls("inotify_watch"):
        assert (event["inode"], event["dev"]) == (file.st_ino, file.st_dev)
    (event,) = seen.of("security_path_notify")
    assert (event["pathname"], event["inode"], event["dev"]) == (f"{tmp_path}/file", file.st_ino, file.st_dev)
    assert event["mask"] & 2
    assert event["obj_type"] == 0


def test_the_working_directory(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    script = "os.chdir('link'); os.fchdir(os.open('..', os.O_RDONLY))"
    told = watch(tracee, ["set_fs_pwd"], script, cwd=tmp_path).of("set_fs_pwd")
    assert [(e["unresolved_path"], e["resolved_path"]) for e in told] == [
        ("link", f"{tmp_path}/folder"),
        (None, f"{tmp_path}"),
    ]


MOUNT = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b'/', None, 0x44000, None) == 0
assert libc.mount(b'something', b'link/../link', b'tmpfs', 6, None) == 0
open('/proc/self/mounts').read()
assert libc.mount(b'x', b'absent', b'tmpfs', 0, None) < 0
os.chdir('/')
assert libc.umount2(os.fsencode(sys.argv[1]) + b'/folder', 2) == 0
"""


def test_mounts_in_a_namespace_of_their_own(tracee: Tracee, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    seen = watch(tracee, ["security_sb_mount", "security_sb_umount"], MOUNT, tmp_path, cwd=tmp_path)
    told = [(e["dev_name"], e["path"], e["type"], e["flags"]) for e in seen.of("security_sb_mount")]
    assert told[0][1:] == ("/", None, 0x44000)
    assert told[1] == ("something", f"{tmp_path}/folder", "tmpfs", 6)
    assert len(told) == 2
    (event,) = seen.of("security_sb_umount")
    assert (event["mountpoint"], event["type"], event["flags"]) == (f"{tmp_path}/folder", "tmpfs", 2)


def test_a_changed_root(tracee: Tracee, tmp_path: Path) -> None:
    """Paths are those that the task itself would write."""
    if os.geteuid() != 0:
        pytest.skip("only root may chroot")
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "file").touch()
    (tmp_path / "root" / "link").symlink_to("/sub")
    script = "os.chroot(sys.argv[1]); os.chdir('/'); os.unlink('../../link/file')"
    seen = watch(tracee, ["security_inode_unlink"], script, tmp_path / "root")
    assert [e["pathname"] for e in seen.of("security_inode_unlink")] == ["/sub/file"]


def test_a_path_of_4000_characters(tracee: Tracee, tmp_path: Path) -> None:
    script = """
for i in range(20):
    os.mkdir('d' * 190 + f'{i:09}')
    os.chdir('d' * 190 + f'{i:09}')
os.close(os.open('file', os.O_CREAT | os.O_WRONLY))
os.unlink('file')
"""
    seen = watch(tracee, ["security_inode_unlink", "security_file_open"], script, cwd=tmp_path)
    path = f"{tmp_path}/" + "/".join("d" * 190 + f"{i:09}" for i in range(20)) + "/file"
    assert [e["pathname"] for e in seen.of("security_inode_unlink")] == [path]
    assert path in [e["pathname"] for e in seen.of("security_file_open")]


def test_a_folder_of_many_cached_names(tracee: Tracee, tmp_path: Path) -> None:
    """The kernel remembers names that are absent, too: whoever asks for many hides none by that."""
    script = """
names = [chr(97 + i % 26) * (i + 1) for i in range(33)]
for name in names:
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
assert not any(os.path.exists(f'absent{i}') for i in range(50_000))
for name in names:
    os.unlink(name)
"""
    seen = watch(tracee, ["security_inode_unlink"], script, cwd=tmp_path)
    unlinked = seen.of("security_inode_unlink")
    assert [e["pathname"] for e in unlinked] == [f"{tmp_path}/{chr(97 + i % 26) * (i + 1)}" for i in range(33)]
    if CAN_LOOK_UP or not seen.by_lesser_way("security_inode_unlink"):
        assert all(e["inode"] for e in unlinked)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit calls are made as x86 makes them")
def test_calls_of_32_bit_programs(tracee: Tracee, tmp_path: Path, compile_c: Callable[[str], Path]) -> None:
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    (inside / "folder" / "one").write_text("12345678")
    file = (inside / "folder" / "one").stat()
    program = shutil.copy(compile_c("calls32"), tracee.folder / "deed")
    events = ["security_file_open", "chmod_common", "do_truncate", "security_inode_rename", "security_inode_unlink"]
    calls = ["5,:folder/one,0", "15,:folder/one,0640", "92,:folder/one,3", "38,:folder/one,:two", "10,:../inside/two"]
    seen = watch_program(tracee, events, [program, *calls], cwd=inside)
    opened = [e for e in seen.of("security_file_open") if e["inode"] == file.st_ino]
    assert [(e["pathname"], e["syscall_pathname"]) for e in opened] == [(f"{inside}/folder/one", "folder/one")]
    assert [(e["pathname"], e["mode"] & 0o7777) for e in seen.of("chmod_common")] == [(f"{inside}/folder/one", 0o640)]
    assert [(e["inode"], e["length"]) for e in seen.of("do_truncate")] == [(file.st_ino, 3)]
    renamed = [(e["old_path"], e["new_path"]) for e in seen.of("security_inode_rename")]
    assert renamed == [(f"{inside}/folder/one", f"{inside}/two")]
    unlinked = [(e["pathname"], e["inode"], e["dev"]) for e in seen.of("security_inode_unlink")]
    assert unlinked == [(f"{inside}/two", file.st_ino, file.st_dev)]


def test_files_without_a_name(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345678")
    script = """
fd = os.open('file', os.O_RDWR)
os.unlink('file')
os.ftruncate(fd, 3)
os.fchmod(fd, 0o640)
memory = os.memfd_create('scratch')
os.ftruncate(memory, 5)
"""
    seen = watch(tracee, ["do_truncate", "chmod_common"], script, cwd=tmp_path)
    deleted, memory = seen.of("do_truncate")
    assert (deleted["pathname"].removesuffix(" (deleted)"), deleted["length"]) == (f"{tmp_path}/file", 3)
    assert (memory["pathname"].removeprefix("/").removesuffix(" (deleted)"), memory["length"]) == ("memfd:scratch", 5)
    (event,) = seen.of("chmod_common")
    assert event["pathname"] == f"{tmp_path}/file (deleted)"


BIND = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b'/', None, 0x44000, None) == 0
assert libc.mount(b'folder', b'other', None, 0x1000, None) == 0
os.rename('other/../other/one', 'other/two')
os.unlink('other/two')
"""


def test_a_bind_mount_of_another_namespace(tracee: Tracee, tmp_path: Path) -> None:
    """The kernel's own hooks do not say by which mount a name was reached: any that shows it is right."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "folder" / "one").touch()
    inode = (tmp_path / "folder" / "one").stat().st_ino
    seen = watch(tracee, ["security_inode_rename", "security_inode_unlink"], BIND, cwd=tmp_path)
    (renamed,), (unlinked,) = seen.of("security_inode_rename"), seen.of("security_inode_unlink")
    by_calls = seen.by_calls("security_inode_rename")
    places = [f"{tmp_path}/other"] if by_calls else [f"{tmp_path}/other", f"{tmp_path}/folder"]
    assert (renamed["old_path"], renamed["new_path"]) in [(f"{place}/one", f"{place}/two") for place in places]
    assert unlinked["pathname"] in [f"{place}/two" for place in places]
    assert unlinked["inode"] == inode


def test_an_entry_without_an_inode(tracee: Tracee, tmp_path: Path) -> None:
    if os.geteuid() != 0 or "fuse" not in Path("/proc/filesystems").read_text().split():
        pytest.skip("only root may mount, and the kernel must have FUSE")
    (tmp_path / "place").mkdir()
    program = shutil.copy(os.path.realpath(sys.executable), tracee.folder / "deed")
    server = Path(__file__).parent / "fuse_folder.py"
    seen = watch_program(tracee, ["zeroed_inodes"], [program, "-I", "-S", server, tmp_path / "place"])
    assert [e["dirent_name"] for e in seen.of("zeroed_inodes")] == ["hidden"]
