"""Symbols of shared objects that processes load: those that filters name, and those that two objects have."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, Tracee, wait_until
from kernel_events import ATTACH, Watched, values, watch, watch_program

Library = Callable[..., Path]

OWN = ("--filter", "data.symbols=tracee_test_*")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Builds a shared object that exports functions."""

    def build(name: str, *functions: str, flags: Sequence[str] = ()) -> Path:
        source = "".join(f"void *{function}(void) {{ return 0; }}\n" for function in functions)
        command = ["gcc", "-shared", "-fPIC", "-fno-builtin", "-nostdlib", "-w", *flags, "-xc", "-", "-o"]
        path = tmp_path / name
        subprocess.run([*command, str(path)], input=source.encode(), check=True)
        return path

    return build


@pytest.fixture
def loader(tracee: Tracee, compile_c: Callable[[str], Path]) -> Path:
    return Path(shutil.copy(compile_c("loader"), tracee.folder / "deed"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pairs(seen: Watched) -> list[tuple[str, str, list[str]]]:
    return [(e["loaded_path"], e["collision_path"], e["symbols"]) for e in seen.of("symbols_collision")]


def libc() -> str:
    """As the kernel spells it."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    (path,) = {line.split()[-1] for line in lines if "/libc.so" in line or "/libc-2" in line}
    return path


def test_watched_symbols_are_told_with_their_object(tracee: Tracee, library: Library, loader: Path) -> None:
    one = library("one.so", "tracee_test_b", "tracee_test_a", "other", "exact")
    near = library("near.so", "xtracee_test_a", "exactly")
    left_out = library("left_out.so", "tracee_test_a")
    filters = ("--filter", "data.symbols=tracee_test_*,exact", "--filter", f"data.library_path!={left_out}")
    seen = watch_program(tracee, ["symbols_loaded"], [loader, one, near, left_out], flags=filters)
    expected = {
        "library_path": str(one),
        "symbols": ["exact", "tracee_test_a", "tracee_test_b"],
        "sha256": digest(one),
        "retval": 0,
    }
    assert seen.of("symbols_loaded") == [expected]
    assert [e["eventName"] for e in seen.events] == ["symbols_loaded"], "what it is made of is not shown"


def test_the_same_object_is_told_of_each_process(tracee: Tracee, library: Library, loader: Path) -> None:
    one = library("one.so", "tracee_test_a")
    command = ["/bin/sh", "-c", '"$0" "$1"; "$0" "$1"', str(loader), str(one)]
    seen = watch_program(tracee, ["symbols_loaded", "shared_object_loaded"], command, flags=OWN)
    told = [e for e in seen.events if e["eventName"] == "symbols_loaded"]
    loaded = [e for e in seen.events if values(e).get("pathname") == str(one)]
    assert len(told) == 2
    assert [(e["hostProcessId"], e["timestamp"]) for e in told] == [
        (e["hostProcessId"], e["timestamp"]) for e in loaded
    ], "told as of the moment when it was loaded"


def test_objects_that_stand_in_for_others(tracee: Tracee, library: Library, loader: Path) -> None:
    preloaded = library("preloaded.so", "getenv", "own_thing", "_init", "_edata")
    second = library("second.so", "own_thing", "another", "_init", "_edata")
    third = library("third.so", "_third", "_init")
    command: list[str | Path] = ["/usr/bin/env", f"LD_PRELOAD={preloaded}", loader, second, third]
    seen = watch_program(tracee, ["symbols_collision"], command)
    assert pairs(seen) == [
        (libc(), str(preloaded), ["getenv"]),
        (str(second), str(preloaded), ["own_thing"]),
    ]
    # the same objects without the one that stands in
    assert pairs(watch_program(tracee, ["symbols_collision"], [loader, second, third])) == []


def test_filters_say_which_symbols_count(tracee: Tracee, library: Library, loader: Path) -> None:
    preloaded = library("preloaded.so", "getenv", "own_thing", "_init")
    second = library("second.so", "own_thing", "_init")
    command: list[str | Path] = ["/usr/bin/env", f"LD_PRELOAD={preloaded}", loader, second]

    def told(*filters: str) -> list[tuple[str, str, list[str]]]:
        flags = [word for text in filters for word in ("--filter", text)]
        return pairs(watch_program(tracee, ["symbols_collision"], command, flags=flags))

    assert told("data.symbols!=getenv") == [(str(second), str(preloaded), ["own_thing"])]
    assert told("data.symbols=own_*,_init") == [(str(second), str(preloaded), ["_init", "own_thing"])]
    assert told(f"data.loaded_path!={second}") == [(libc(), str(preloaded), ["getenv"])]


def begin(tracee: Tracee, *flags: str) -> Run:
    events = "symbols_loaded,symbols_collision"
    return tracee.run("--events", events, "--scope", "comm=deed", "--output", "json", "--attach", ATTACH, *OWN, *flags)


def told_of(run: Run, process: subprocess.Popen[str], event: str, count: int = 1) -> list[dict[str, Any]]:
    """What is told of a process that is there until it has been told."""

    def told() -> list[dict[str, Any]]:
        assert process.stdin
        return [values(e) for e in run.events_so_far() if e["eventName"] == event]

    wait_until(lambda: len(told()) >= count, f"{event} to be told")
    process.communicate("\n", timeout=60)
    assert process.returncode == 0
    return told()


def deed(tracee: Tracee, script: str, *arguments: Path) -> subprocess.Popen[str]:
    """A Python script that waits for a line at its end."""
    program = tracee.folder / "deed"
    shutil.copy(os.path.realpath(sys.executable), program)
    script = f"import ctypes, os, sys\nlibc = ctypes.CDLL(None)\n{script}\nsys.stdin.readline()"
    command: list[str | Path] = [program, "-I", "-S", "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)


def test_a_process_that_ran_before(tracee: Tracee, library: Library, loader: Path) -> None:
    first, second = library("first.so", "tracee_test_a"), library("second.so", "tracee_test_a", "tracee_test_b")
    command: list[str | Path] = [loader, first, "wait", second, "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "waiting\n"
        with begin(tracee) as run:
            process.stdin.write("\n")
            process.stdin.flush()
            (event,) = told_of(run, process, "symbols_collision")
            run.stop()
    assert (event["loaded_path"], event["collision_path"]) == (str(second), str(first))
    assert event["symbols"] == ["tracee_test_a"]


def test_a_child_has_what_its_parent_loaded(tracee: Tracee, library: Library) -> None:
    first, second = library("first.so", "tracee_test_a"), library("second.so", "tracee_test_a")
    script = """
import ctypes
ctypes.CDLL(sys.argv[1])
if os.fork() == 0:
    ctypes.CDLL(sys.argv[2])
    os._exit(0)
os.wait()
"""
    seen = watch(tracee, ["symbols_collision"], script, first, second, flags=OWN)
    assert pairs(seen) == [(str(second), str(first), ["tracee_test_a"])]


CHROOT = "os.chroot(sys.argv[1]); os.chdir('/'); ctypes.CDLL('/inside.so')"
MOUNT = """
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b'/', None, 0x44000, None) == 0
place = os.fsencode(sys.argv[1])
data = open(place + b'/inside.so', 'rb').read()
assert libc.mount(b'none', place, b'tmpfs', 0, None) == 0
open(place + b'/inside.so', 'wb').write(data)
ctypes.CDLL(sys.argv[1] + '/inside.so')
"""


@pytest.mark.parametrize("script", [CHROOT, MOUNT], ids=["chroot", "mounts"])
def test_another_view_of_the_file_system(tracee: Tracee, library: Library, tmp_path: Path, script: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change what it sees")
    (tmp_path / "root").mkdir()
    inside = library("root/inside.so", "tracee_test_a")
    with begin(tracee) as run, deed(tracee, script, tmp_path / "root") as process:
        (event,) = told_of(run, process, "symbols_loaded")
        run.stop()
    assert event["library_path"] == ("/inside.so" if script == CHROOT else str(inside))
    assert (event["symbols"], event["sha256"]) == (["tracee_test_a"], digest(inside))


GONE = "ctypes.CDLL(sys.argv[1]); os.unlink(sys.argv[1])"
MEMORY = """
fd = os.memfd_create('scratch')
os.write(fd, open(sys.argv[1], 'rb').read())
ctypes.CDLL(f'/proc/self/fd/{fd}')
"""


@pytest.mark.parametrize("script", [GONE, MEMORY], ids=["deleted", "memfd"])
def test_an_object_without_a_path(tracee: Tracee, library: Library, script: str) -> None:
    one = library("one.so", "tracee_test_a")
    expected = digest(one)
    with begin(tracee) as run, deed(tracee, script, one) as process:
        (event,) = told_of(run, process, "symbols_loaded")
        run.stop()
    name = event["library_path"].removeprefix("/").removesuffix(" (deleted)")
    assert name == ("memfd:scratch" if script == MEMORY else str(one).removeprefix("/"))
    assert (event["symbols"], event["sha256"]) == (["tracee_test_a"], expected)


MAPPED = """
import mmap
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
"""


def test_files_that_are_no_objects(tracee: Tracee, library: Library, tmp_path: Path) -> None:
    """A cut one, one that is too large and a text; after them one that is whole is told as ever."""
    whole = library("whole.so", "tracee_test_a")
    cut, large, text = tmp_path / "cut.so", tmp_path / "large.so", tmp_path / "text.so"
    cut.write_bytes(whole.read_bytes()[:600])
    large.write_bytes(whole.read_bytes())
    os.truncate(large, (64 << 20) + 1)
    text.write_text("tracee_test_a")
    seen = watch(tracee, ["symbols_loaded"], MAPPED, cut, large, text, whole, flags=OWN)
    assert [e["library_path"] for e in seen.of("symbols_loaded")] == [str(whole)]
    for path, why in [(cut, ""), (large, "it is larger than 64 MiB"), (text, "it is no ELF file")]:
        assert f"DEBUG {path} is passed over: {why}" in seen.log


def test_section_headers_are_not_needed(tracee: Tracee, library: Library) -> None:
    """The loader does not need them either: nobody hides by leaving them out."""
    one = library("one.so", "tracee_test_a")
    data = bytearray(one.read_bytes())
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)
    one.write_bytes(data)
    script = "import ctypes\nctypes.CDLL(sys.argv[1]).tracee_test_a()"
    seen = watch(tracee, ["symbols_loaded"], script, one, flags=OWN)
    assert [(e["symbols"], e["sha256"]) for e in seen.of("symbols_loaded")] == [(["tracee_test_a"], digest(one))]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit objects are made as x86 makes them")
def test_an_object_of_32_bits(tracee: Tracee, library: Library) -> None:
    one = library("narrow.so", "tracee_test_a", "other", flags=["-m32"])
    assert one.read_bytes()[4] == 1
    seen = watch(tracee, ["symbols_loaded"], MAPPED, one, flags=OWN)
    assert [(e["symbols"], e["sha256"]) for e in seen.of("symbols_loaded")] == [(["tracee_test_a"], digest(one))]


@pytest.mark.parametrize("event", ["symbols_loaded", "print_mem_dump"])
def test_an_event_without_its_filter_says_so(tracee: Tracee, event: str) -> None:
    with tracee.run("--events", f"{event},getppid", "--scope", "comm=none", "--output", "json") as run:
        assert run.stop() == []
        lines = [line for line in run.stderr.splitlines() if line.startswith("WARN")]
    if "is not available" not in run.stderr:
        assert len(lines) == 1
        assert lines[0].startswith(f"WARN {event} tells nothing without a filter")
