"""BPF programs that are attached to tracepoints and probes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Tracee
from kernel_events import ATTACH as HOW
from kernel_events import values, watch
from test_kernel_bpf import DEEDS

EVENT = "bpf_attach"
KPROBE, TRACEPOINT, PERF_EVENT, RAW_TRACEPOINT = 2, 5, 7, 17
ON_RAW, ON_TRACEPOINT, ON_KPROBE, ON_KRETPROBE, ON_UPROBE, ON_URETPROBE = range(6)
KTIME, PID_TGID = 5, 14
FUNCTION = "do_exit"
"""One that every kernel has, and that may be probed."""

ATTACH = (
    DEEDS.partition("map = done")[0].replace("def load(instructions, name):", "def load(instructions, name, kind=5):")
    + """
import fcntl
end = [(0xb7, 0, 0, 0), (0x95, 0, 0, 0)]
calls = [(0x85, 0, 0, 14), (0x85, 0, 0, 5), *end]
tracefs = next(p for p in ('/sys/kernel/tracing', '/sys/kernel/debug/tracing') if os.path.isdir(p + '/events'))
def number_in(path):
    return int(open(path).read())
def tracepoint(name):
    return perf(2, number_in(f'{tracefs}/events/{name}/id'))
def perf(kind, config=0, text=b'', place=0):
    room = ctypes.create_string_buffer(text)
    where = ctypes.addressof(room) if text else 0
    attributes = struct.pack('<IIQ', kind, 112, config) + b'\\0' * 40 + struct.pack('<QQ', where, place)
    attributes = ctypes.create_string_buffer(attributes, 112)
    number = 241 if platform.machine() == 'aarch64' else 298
    return done(libc.syscall(number, attributes, -1, 0, -1, 8))
def attach(event, prog):
    fcntl.ioctl(event, 0x40042408, prog)
    return event
"""
).replace("struct.pack('<IIQQIIQII16s', 5,", "struct.pack('<IIQQIIQII16s', kind,")


@pytest.fixture(autouse=True, scope="module")
def tracefs() -> Iterator[None]:
    """Deeds find the numbers of tracepoints there; it is mounted on no machine that nobody has traced on yet."""
    there = any(Path(place, "events").is_dir() for place in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"))
    mount = ["mount", "-t", "tracefs", "nodev", "/sys/kernel/tracing"]
    if not there and subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("tracefs cannot be mounted here")
    yield
    if not there:
        subprocess.run(["umount", "--lazy", "/sys/kernel/tracing"], check=True)


def attached(tracee: Tracee, script: str, *arguments: str | Path) -> list[dict[str, Any]]:
    """What was told of a script's attachments, which says what its programs' ids are."""
    said = tracee.folder / "said"
    seen = watch(tracee, [EVENT], ATTACH + script + "\njson.dump(ids, open(sys.argv[1], 'w'))", said, *arguments)
    told = seen.of(EVENT)
    assert [event.pop("prog_id") for event in told] == json.loads(said.read_text(encoding="utf-8"))
    return [{name: value for name, value in event.items() if name != "retval"} for event in told]


def expected(kind: int, name: str, on: int, symbol: str, address: int | None = None) -> dict[str, Any]:
    return {
        "prog_type": kind,
        "prog_name": name,
        "prog_helpers": [KTIME, PID_TGID],
        "symbol_name": symbol,
        "symbol_addr": address,
        "attach_type": on,
    }


def test_tracepoints(tracee: Tracee) -> None:
    """Also of a system call; a counter is none, nor is a program that could not be attached."""
    script = """
prog = load(calls, b'deed_tp')
attach(tracepoint('sched/sched_switch'), prog)
attach(tracepoint('syscalls/sys_enter_getppid'), prog)
overflow = load(calls, b'deed_count', 7)
attach(perf(1), overflow)
try:
    attach(tracepoint('sched/sched_switch'), overflow)
    sys.exit('a program of another kind was attached')
except OSError:
    pass
ids = [id_of(prog)] * 2
"""
    assert attached(tracee, script) == [
        expected(TRACEPOINT, "deed_tp", ON_TRACEPOINT, "sched_switch"),
        expected(TRACEPOINT, "deed_tp", ON_TRACEPOINT, "sys_enter_getppid"),
    ]


def test_raw_tracepoint(tracee: Tracee) -> None:
    script = """
prog = load(calls, b'deed_raw', 17)
name = ctypes.create_string_buffer(b'sched_switch')
done(bpf(17, struct.pack('<QI', ctypes.addressof(name), prog)))
missing = ctypes.create_string_buffer(b'no_such_tracepoint')
assert bpf(17, struct.pack('<QI', ctypes.addressof(missing), prog)) < 0
ids = [id_of(prog)]
"""
    assert attached(tracee, script) == [expected(RAW_TRACEPOINT, "deed_raw", ON_RAW, "sched_switch")]


def test_link_of_a_tracepoint(tracee: Tracee) -> None:
    script = """
prog = load(calls, b'deed_link')
link = bpf(28, struct.pack('<IIII', prog, tracepoint('sched/sched_switch'), 41, 0))
ids = [id_of(prog)] if link >= 0 else []
"""
    told = attached(tracee, script)
    if told or tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (5, 15):
        assert told == [expected(TRACEPOINT, "deed_link", ON_TRACEPOINT, "sched_switch")]


@pytest.mark.parametrize("returns", [False, True])
def test_uprobe(tracee: Tracee, returns: bool) -> None:
    if not Path("/sys/bus/event_source/devices/uprobe/type").exists():
        pytest.skip("this kernel has no uprobes")
    script = """
prog = load(calls, b'deed_uprobe', 2)
kind = number_in('/sys/bus/event_source/devices/uprobe/type')
place = int(sys.argv[3])
attach(perf(kind, int(sys.argv[4]), sys.argv[2].encode(), place), prog)
ids = [id_of(prog)]
"""
    program = tracee.folder / "deed"
    arguments = (str(program), "4096", str(int(returns)))
    on = ON_URETPROBE if returns else ON_UPROBE
    assert attached(tracee, script, *arguments) == [expected(KPROBE, "deed_uprobe", on, str(program), 4096)]


@pytest.mark.parametrize("returns", [False, True])
def test_kprobe(tracee: Tracee, returns: bool) -> None:
    if not Path("/sys/bus/event_source/devices/kprobe/type").exists():
        pytest.skip("this kernel has no kprobes")
    lines = Path("/proc/kallsyms").read_text(encoding="utf-8").splitlines()
    address = next(int(line.split()[0], 16) for line in lines if line.split()[2] == FUNCTION)
    script = """
prog = load(calls, b'deed_kprobe', 2)
kind = number_in('/sys/bus/event_source/devices/kprobe/type')
attach(perf(kind, int(sys.argv[3]), sys.argv[2].encode()), prog)
ids = [id_of(prog)]
"""
    on = ON_KRETPROBE if returns else ON_KPROBE
    (event,) = attached(tracee, script, FUNCTION, str(int(returns)))
    # a probe may stand behind what the function begins with
    assert 0 <= event["symbol_addr"] - address < 16
    assert event == expected(KPROBE, "deed_kprobe", on, FUNCTION, event["symbol_addr"])


def command(file: Path, text: str) -> None:
    """Adds to a file that cannot be sought in, as those of tracefs."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def test_probes_that_were_made_by_name(tracee: Tracee) -> None:
    """Probes of tracefs are attached to as tracepoints are."""
    folder = next(p for p in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing") if Path(p, "events").is_dir())
    probes = Path(folder, "uprobe_events")
    if not probes.exists():
        pytest.skip("this kernel has no uprobes in tracefs")
    program = Path("/bin/true").resolve()
    script = """
prog = load(calls, b'deed_named', 2)
attach(tracepoint('tracee_test/probe'), prog)
ids = [id_of(prog)]
"""
    command(probes, f"p:tracee_test/probe {program}:0x1000")
    try:
        told = attached(tracee, script)
    finally:
        command(probes, "-:tracee_test/probe")
    assert told == [expected(KPROBE, "deed_named", ON_UPROBE, str(program), 0x1000)]


def test_program_that_was_there_before(tracee: Tracee) -> None:
    """Its helpers are not known: it was loaded before anybody looked."""
    program = tracee.folder / "deed"
    shutil.copy(os.path.realpath(sys.executable), program)
    script = """
prog = load(calls, b'deed_old')
print(id_of(prog), flush=True)
sys.stdin.read()
attach(tracepoint('sched/sched_switch'), prog)
"""
    words: list[str | Path] = [program, "-I", "-S", "-c", "import os, sys" + ATTACH + script]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as deed:
        assert deed.stdin and deed.stdout
        number = int(deed.stdout.readline())
        usual = ("--scope", "comm=deed", "--output", "json", "--attach", HOW)
        with tracee.run("--events", EVENT, *usual) as run:
            deed.stdin.close()
            assert deed.wait(60) == 0
            (event,) = run.stop()
    told = values(event)
    assert (told["prog_id"], told["prog_name"], told["symbol_name"]) == (number, "deed_old", "sched_switch")
    assert told["prog_helpers"] is None
