"""Where system calls come from: code outside files, stacks that are none. Harmless neighbours are not told."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Tracee
from kernel_events import Watched, watch, watch_program

EVENTS = ["suspicious_syscall_source", "stack_pivot"]
GETPPID = 110

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the deeds are in x86-64's code")


def deed(tracee: Tracee, program: Path, name: str) -> tuple[Watched, int]:
    """Does one deed of origin.c; what was told, and the address that it printed."""
    said = tracee.folder / "said"
    script = 'exec "$1" "$2" > "$3"'
    copy = tracee.folder / "deed"
    shutil.copy(program, copy)
    seen = watch_program(tracee, EVENTS, ["/bin/sh", "-c", script, "sh", copy, name, said])
    return seen, int(said.read_text() or "0")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("anonymous", "anonymous"),
        ("heap", "heap"),
        ("main-stack", "main stack"),
        ("thread-stack", "thread stack"),
    ],
)
def test_code_outside_files(tracee: Tracee, compile_c: Callable[[str], Path], name: str, kind: str) -> None:
    seen, address = deed(tracee, compile_c("origin"), name)
    (event,) = seen.of("suspicious_syscall_source")
    start, size = int(event["vma_start"], 16), event["vma_size"]
    assert (event["syscall"], event["vma_type"]) == (GETPPID, kind)
    # the instruction after `syscall` is where the task stands
    assert int(event["ip"], 16) == address + 7
    assert start <= address < start + size and start % 4096 == size % 4096 == 0
    assert event["vma_flags"] & 7 == 7
    assert seen.of("stack_pivot") == []


@pytest.mark.parametrize(
    ("name", "kind"), [("pivot", "anonymous"), ("pivot-heap", "heap"), ("pivot-thread", "anonymous")]
)
def test_stack_elsewhere(tracee: Tracee, compile_c: Callable[[str], Path], name: str, kind: str) -> None:
    seen, address = deed(tracee, compile_c("origin"), name)
    (event,) = seen.of("stack_pivot")
    start, size = int(event["vma_start"], 16), event["vma_size"]
    assert (event["syscall"], event["sp"], event["vma_type"]) == (GETPPID, hex(address), kind)
    assert start <= address < start + size
    assert event["vma_flags"] & 3 == 3
    assert seen.of("suspicious_syscall_source") == []


def unsuspected(seen: Watched) -> None:
    """Asserts that the program was watched, and nothing held against it."""
    assert seen.of("getppid"), "the program was not seen"
    assert [seen.of(name) for name in EVENTS] == [[], []]


def test_harmless_c(tracee: Tracee, compile_c: Callable[[str], Path]) -> None:
    """Threads, their forks, signal stacks, posix_spawn, a deep stack."""
    copy = tracee.folder / "deed"
    shutil.copy(compile_c("origin"), copy)
    unsuspected(watch_program(tracee, [*EVENTS, "getppid"], [copy, "harmless"]))


def test_harmless_python(tracee: Tracee) -> None:
    script = """
import threading
def work():
    for _ in range(100):
        os.getppid()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    unsuspected(watch(tracee, [*EVENTS, "getppid"], script))


GO = """package main

import ("os"; "os/signal"; "runtime"; "sync"; "syscall")

func deep(n int) int { var room [1024]byte; if n == 0 { return os.Getppid() }; return deep(n-1) + int(room[n%1024]) }

func main() {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR1)
	var group sync.WaitGroup
	for i := 0; i < 64; i++ {
		group.Add(1)
		go func() { defer group.Done(); runtime.LockOSThread(); deep(1000); _ = make([]byte, 1<<20) }()
	}
	group.Wait()
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	<-heard
}
"""


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")
def test_harmless_go(tracee: Tracee) -> None:
    source = tracee.folder / "deed.go"
    source.write_text(GO)
    settings = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(tracee.folder / "cache"), "GO111MODULE": "off"}
    program = tracee.folder / "deed"
    subprocess.run(["go", "build", "-p", "1", "-o", str(program), str(source)], check=True, env=settings)
    unsuspected(watch_program(tracee, [*EVENTS, "getppid"], [program]))
