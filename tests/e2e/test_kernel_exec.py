"""Programs about to be executed."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import ATTACH, Watched, watch

EXEC = """
for number in range(2):
    if not os.fork():
        if number:
            os.execve(os.open(sys.argv[1], os.O_RDONLY), ["by number", "b"], {"KEY": "second"})
        os.execve(sys.argv[1], ["other", "a", ""], {"KEY": "value", "EMPTY": ""})
    os.wait()
if not os.fork():
    try:
        os.execve(sys.argv[1] + "-is-not-there", ["x"], {})
    except FileNotFoundError:
        os._exit(0)
os.wait()
"""


def test_program_about_to_run(tracee: Tracee, tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    stat = os.stat(program)
    seen = watch(tracee, ["security_bprm_check"], EXEC, program)
    told = [e for e in seen.of("security_bprm_check") if str(e["pathname"]).startswith(str(program))]
    assert [(e["pathname"], e["dev"], e["inode"]) for e in told] == [(str(program), stat.st_dev, stat.st_ino)] * 2
    assert (told[0]["argv"], told[0]["envp"]) == (["other", "a", ""], ["KEY=value", "EMPTY="])
    assert (told[1]["argv"], told[1]["envp"]) == (["by number", "b"], ["KEY=second"])


HEADERS = """
for program in sys.argv[1:]:
    if not os.fork():
        try:
            os.execv(program, ["deed"])
        except OSError:
            os._exit(0)
    os.wait()
"""


def elf_loader(program: Path) -> Path:
    """The ELF interpreter that a program of 64 bits asks for."""
    content = program.read_bytes()
    (start,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    for place in range(start, start + size * count, size):
        if struct.unpack_from("<I", content, place)[0] == 3:
            at, length = (struct.unpack_from("<Q", content, place + field)[0] for field in (8, 32))
            return Path(os.fsdecode(content[at : at + length - 1]))
    raise AssertionError(f"{program} has no interpreter")


def build_static(program: Path) -> None:
    """A program that needs no other file, and does nothing."""
    source = program.with_suffix(".c")
    source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)


def test_headers_are_read(tracee: Tracee, tmp_path: Path, compile_c: Callable[..., Path]) -> None:
    """Of the program and of its loader; a program without one and a script have fewer, and more."""
    folder = tmp_path / "programs"
    folder.mkdir()
    dynamic, static, script = folder / "dynamic", folder / "static", folder / "script"
    shutil.copy(compile_c("caller"), dynamic)
    build_static(static)
    script.write_text(f"#!{dynamic}\n", encoding="utf-8")
    script.chmod(0o755)
    loader = elf_loader(dynamic).resolve()
    seen = watch(tracee, ["load_elf_phdrs"], HEADERS, dynamic, static, script, flags=["--scope", "follow"])
    told = [(e["pathname"], e["dev"], e["inode"]) for e in seen.of("load_elf_phdrs")]
    first = told.index(next(e for e in told if e[0] == str(dynamic)))
    files = [dynamic, loader, static, dynamic, loader]
    assert [e[0] for e in told[first:]] == [str(file) for file in files]
    assert [e[2] for e in told[first:]] == [file.stat().st_ino for file in files]
    assert told[first][1] == dynamic.stat().st_dev


@pytest.fixture
def core_pattern() -> Iterator[Path]:
    """The setting that says what is done with a core dump; put back at the end."""
    setting = Path("/proc/sys/kernel/core_pattern")
    if not os.access(setting, os.W_OK):
        pytest.skip("core dumps cannot be directed here")
    before = setting.read_text(encoding="utf-8")
    try:
        yield setting
    finally:
        setting.write_text(before, encoding="utf-8")


def as_kernel_spells(path: Path) -> str:
    """A path as the kernel's own threads spell it, whose root may be the one that the machine booted from."""
    if Path("/proc/2/comm").read_text(encoding="utf-8") != "kthreadd\n":
        pytest.skip("the kernel's threads cannot be seen here")
    root = Path("/proc/2/root")
    for place in (root, *root.iterdir()):
        if os.path.samestat(place.stat(), os.stat("/")):
            prefix = place.relative_to(root)
            return f"/{prefix}{path}" if prefix.name else str(path)
    pytest.skip("the kernel's threads do not see our files")


CRASH = """
if not os.fork():
    import resource, signal
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    os.kill(os.getpid(), signal.SIGSEGV)
assert os.WIFSIGNALED(os.wait()[1])
"""


def test_kernel_starts_a_program(tracee: Tracee, tmp_path: Path, core_pattern: Path) -> None:
    """A core dump's program, which is in scope by its own name, or by that of the program that crashed."""
    (tmp_path / "helper").mkdir()
    program = tmp_path / "helper" / "deed"
    build_static(program)
    spelled = as_kernel_spells(program)
    core_pattern.write_text(f"|{spelled} %s first", encoding="utf-8")
    script = CRASH + "if not os.fork(): os.execv(sys.argv[1], ['by itself'])\nos.wait()\n"
    seen = watch(tracee, ["call_usermodehelper"], script, program)
    (event,) = seen.of("call_usermodehelper")
    assert (event["pathname"], event["argv"]) == (spelled, [spelled, "11", "first"])
    assert event["envp"] in (None, [])
    assert event["wait"] == (None if seen.by_lesser_way("call_usermodehelper") else 1)


def test_kernel_cannot_start_a_program(tracee: Tracee, tmp_path: Path, core_pattern: Path) -> None:
    """No system call tells of it."""
    file = tmp_path / "text"
    file.write_text("no program\n", encoding="utf-8")
    file.chmod(0o755)
    spelled = as_kernel_spells(file)
    core_pattern.write_text(f"|{spelled}", encoding="utf-8")
    name = "process_execute_failed"
    command = [sys.executable, "-I", "-S", "-c", "import os\n" + CRASH]
    flags = ("--filter", f"data.binary.path={spelled}", "--output", "json", "--attach", ATTACH)
    with tracee.run("--events", name, *flags) as run:
        subprocess.run(command, check=True, timeout=60)
        seen = Watched(run.stop(), run.stderr)
    if seen.by_lesser_way(name):
        assert not seen.of(name)
        return
    (event,) = seen.of(name)
    assert (event["retval"], event["pathname"], event["kernel_invoked"]) == (-errno.ENOEXEC, spelled, 1)
    assert (event["argv"], event["envp"]) == (None, None)
