"""Execs that fail."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Tracee
from kernel_events import CAN_LOOK_UP, Watched, watch, watch_program

FAILED = "process_execute_failed"
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
DEED = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def child(deed):
    pid = os.fork()
    if not pid:
        try:
            deed()
        except OSError as error:
            os._exit(error.errno)
    return os.waitpid(pid, 0)[1]
def fails(deed, error):
    status = child(deed)
    assert os.waitstatus_to_exitcode(status) == error, status
"""


def program_header(program: bytes, kind: int) -> int:
    """Where the first header of a kind stands in an ELF file of 64 bits."""
    (start,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    places: list[int] = [start + i * size for i in range(count)]
    return next(place for place in places if struct.unpack_from("<I", program, place)[0] == kind)


def without_loader(to: Path) -> Path:
    """A program whose ELF interpreter is not there."""
    program = bytearray(Path("/bin/true").read_bytes())
    place, size = (struct.unpack_from("<Q", program, program_header(bytes(program), 3) + at)[0] for at in (8, 32))
    program[place : place + size] = b"/no-loader".ljust(size, b"\0")
    to.write_bytes(program)
    return to


def deadly(to: Path) -> Path:
    """A program whose memory cannot be laid out, which the kernel finds when the old program is gone."""
    program = bytearray(Path("/bin/true").read_bytes())
    struct.pack_into("<Q", program, program_header(bytes(program), 1) + 40, 1 << 62)
    to.write_bytes(program)
    return to


def text(to: Path, content: str, mode: int = 0o755) -> Path:
    to.write_text(content, encoding="utf-8")
    to.chmod(mode)
    return to


def only(seen: Watched) -> dict[str, Any]:
    (event,) = seen.of(FAILED)
    return event


def is_binary(event: dict[str, Any], file: Path) -> bool:
    """Whether all that is told of the file is this one's."""
    told = [event[f"binary.{name}"] for name in ("path", "device_id", "inode_number", "inode_mode", "ctime")]
    known = file.stat()
    return told == [str(file), known.st_dev, known.st_ino, known.st_mode, known.st_ctime_ns]


def test_unknown_format(tracee: Tracee, tmp_path: Path) -> None:
    file = text(tmp_path / "text", "no program\n")
    script = DEED + f"fails(lambda: os.execve(sys.argv[1], ['a', 'b', ''], {{'KEY': 'value'}}), {errno.ENOEXEC})"
    seen = watch(tracee, [FAILED], script, file)
    event = only(seen)
    assert (event["retval"], event["pathname"]) == (-errno.ENOEXEC, str(file))
    assert (event["dirfd"], event["flags"], event["kernel_invoked"]) == (AT_FDCWD, 0, 0)
    assert (event["argv"], event["envp"]) == (["a", "b", ""], ["KEY=value"])
    assert event["stdin_type"] == stat.S_IFMT(os.stat(0).st_mode)
    if stat.S_ISCHR(event["stdin_type"]):
        assert event["stdin_path"] == os.readlink("/proc/self/fd/0")
    if seen.by_lesser_way(FAILED):
        assert event["interpreter_path"] is None
        assert is_binary(event, file) or not CAN_LOOK_UP
    else:
        assert event["interpreter_path"] == str(file)
        assert is_binary(event, file)


@pytest.mark.parametrize("kind", ["script", "loader"])
def test_interpreter_is_missing(tracee: Tracee, tmp_path: Path, kind: str) -> None:
    if kind == "script":
        file, interpreter = text(tmp_path / "script", "#!/no-interpreter\n"), "/no-interpreter"
    else:
        file = without_loader(tmp_path / "program")
        interpreter = str(file)
    file.chmod(0o755)
    script = DEED + f"fails(lambda: os.execv(sys.argv[1], ['a']), {errno.ENOENT})"
    seen = watch(tracee, [FAILED], script, file)
    if seen.by_lesser_way(FAILED) and not CAN_LOOK_UP:
        assert not seen.of(FAILED)
        return
    event = only(seen)
    assert event["retval"] == -errno.ENOENT
    assert is_binary(event, file)
    assert event["interpreter_path"] == (None if seen.by_lesser_way(FAILED) else interpreter)


def test_interpreter_is_no_program(tracee: Tracee, tmp_path: Path) -> None:
    """What is told is the script: the interpreter has taken its place when the exec fails."""
    interpreter = text(tmp_path / "text", "no program\n")
    file = text(tmp_path / "script", f"#!{interpreter}\n")
    script = DEED + f"fails(lambda: os.execv(sys.argv[1], ['a']), {errno.ENOEXEC})"
    seen = watch(tracee, [FAILED], script, file)
    event = only(seen)
    assert (event["retval"], event["argv"]) == (-errno.ENOEXEC, ["a"])
    lesser = seen.by_lesser_way(FAILED)
    assert is_binary(event, file) or (lesser and not CAN_LOOK_UP)
    assert event["interpreter_path"] == (None if lesser else str(interpreter))


def test_not_executable_and_too_long(tracee: Tracee, tmp_path: Path) -> None:
    """Errors that come before the file is looked into."""
    plain, program = text(tmp_path / "plain", "", 0o644), tmp_path / "program"
    shutil.copy("/bin/true", program)
    script = (
        DEED
        + f"""
fails(lambda: os.execv(sys.argv[1], ['plain']), {errno.EACCES})
fails(lambda: os.execv(sys.argv[2], ['program', 'x' * (1 << 20)]), {errno.E2BIG})
fails(lambda: os.execv(sys.argv[2] + '-is-not-there', ['x']), {errno.ENOENT})
fails(lambda: os.execv(sys.argv[2] + '/below', ['x']), {errno.ENOTDIR})
"""
    )
    seen = watch(tracee, [FAILED], script, plain, program)
    events = seen.of(FAILED)
    assert [(e["retval"], e["argv"][0]) for e in events] == [(-errno.EACCES, "plain"), (-errno.E2BIG, "program")]
    for event, file in zip(events, (plain, program), strict=True):
        assert is_binary(event, file) or not CAN_LOOK_UP
        assert event["pathname"] == str(file)


def test_file_without_a_name(tracee: Tracee) -> None:
    script = (
        DEED
        + f"""
file = os.memfd_create('unnamed')
os.write(file, b'no program')
os.chmod(file, 0o700)
os.stat(file)
argv = (ctypes.c_char_p * 2)(b'unnamed', None)
def run(flags):
    libc.execveat(file, b'', argv, argv, flags)
    raise OSError(ctypes.get_errno(), '')
fails(lambda: run({AT_EMPTY_PATH}), {errno.ENOEXEC})
fails(lambda: run(0), {errno.ENOENT})
print(file, os.stat(file).st_ino, file=open(sys.argv[1], 'w'))
"""
    )
    said = tracee.folder / "said"
    seen = watch(tracee, [FAILED], script, said)
    number, inode = map(int, said.read_text().split())
    event = only(seen)
    assert (event["retval"], event["dirfd"], event["flags"]) == (-errno.ENOEXEC, number, AT_EMPTY_PATH)
    assert (event["pathname"], event["argv"]) == ("", ["unnamed"])
    assert event["binary.path"].startswith("memfd:unnamed")
    assert event["binary.inode_number"] == inode
    assert event["binary.inode_mode"] == stat.S_IFREG | 0o700


def test_old_program_is_gone(tracee: Tracee, tmp_path: Path) -> None:
    # the thread has the new program's name by then
    (tmp_path / "deadly").mkdir()
    file = deadly(tmp_path / "deadly" / "deed")
    file.chmod(0o755)
    script = DEED + "assert os.WIFSIGNALED(child(lambda: os.execv(sys.argv[1], ['a'])))"
    seen = watch(tracee, [FAILED], script, file)
    event = only(seen)
    assert event["retval"] < 0
    assert is_binary(event, file)
    assert (event["argv"], event["envp"], event["dirfd"]) == (None, None, None)
    assert event["pathname"] == (None if seen.by_lesser_way(FAILED) else str(file))


def test_success_is_no_failure(tracee: Tracee, tmp_path: Path) -> None:
    """Also where the same thread has failed before: what was noted then is not told again."""
    file = text(tmp_path / "text", "no program\n")
    script = (
        DEED
        + """
def both():
    try:
        os.execv(sys.argv[1], ['first'])
    except OSError:
        os.execv('/bin/true', ['second'])
assert child(both) == 0
"""
    )
    assert only(watch(tracee, [FAILED], script, file))["argv"] == ["first"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit calls are made as on x86")
def test_32_bit_caller(tracee: Tracee, tmp_path: Path, compile_c: Callable[..., Path]) -> None:
    file = text(tmp_path / "text", "no program\n")
    program = tmp_path / "deed"
    shutil.copy(compile_c("exec32"), program)
    event = only(watch_program(tracee, [FAILED], [program, file, "b"]))
    assert (event["retval"], event["pathname"]) == (-errno.ENOEXEC, str(file))
    assert (event["argv"], event["envp"]) == ([str(file), "b"], ["KEY=value"])
