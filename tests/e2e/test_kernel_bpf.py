"""BPF: the system call, and descriptors of maps and programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import Tracee
from kernel_events import Watched, watch

MAP_CREATE, LOOKUP, PROG_LOAD, OBJ_GET, PROG_BY_ID, MAP_BY_ID, INFO = 0, 1, 5, 7, 13, 14, 15
TRACEPOINT = 5
KTIME, PID_TGID = 5, 14
"""Helpers."""

DEEDS = """
import ctypes, json, platform, resource, struct
# before 5.11 maps and programs are counted as locked memory
if os.uname().release.startswith('5.10.'):
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
libc = ctypes.CDLL(None, use_errno=True)
number = 280 if platform.machine() == 'aarch64' else 321
def bpf(command, attributes):
    room = ctypes.create_string_buffer(attributes, 128)
    return libc.syscall(number, command, room, 128)
def done(fd):
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
def id_of(fd):
    info = ctypes.create_string_buffer(256)
    done(bpf(15, struct.pack('<IIQ', fd, 256, ctypes.addressof(info))))
    return struct.unpack_from('<II', info)[1]
def load(instructions, name):
    code = ctypes.create_string_buffer(b''.join(struct.pack('<BBhi', *i) for i in instructions))
    license = ctypes.create_string_buffer(b'GPL')
    count = len(instructions)
    attributes = struct.pack('<IIQQIIQII16s', 5, count, ctypes.addressof(code), ctypes.addressof(license),
                             0, 0, 0, 0, 0, name)
    return done(bpf(5, attributes))
map = done(bpf(0, struct.pack('<IIIIIII16s', 2, 4, 8, 1, 0, 0, 0, b'deed_map')))
end = [(0xb7, 0, 0, 0), (0x95, 0, 0, 0)]
prog = load([(0x85, 0, 0, 14), (0x85, 0, 0, 5), (0x85, 0, 0, 14), *end], b'deed_prog')
plain = load(end, b'deed_plain')
# calls of a function of its own are none of helpers
own = load([(0x85, 0x10, 0, 2), *end, (0x85, 0, 0, 5), *end], b'deed_own')
long = load([(0xb7, 0, 0, 0)] * 5000 + [(0x85, 0, 0, 5), *end], b'deed_long')
ids = [id_of(fd) for fd in (map, prog, plain, own, long)]
done(bpf(14, struct.pack('<I', ids[0])))
done(bpf(13, struct.pack('<I', ids[1])))
assert bpf(13, struct.pack('<I', 0xffffffff)) < 0
print(json.dumps(ids), file=open(sys.argv[1], 'w'))
"""


def deeds(tracee: Tracee, event: str) -> tuple[Watched, list[int]]:
    said = tracee.folder / "said"
    seen = watch(tracee, [event], DEEDS, said)
    ids: list[int] = json.loads(Path(said).read_text(encoding="utf-8"))
    return seen, ids


def test_security_bpf(tracee: Tracee) -> None:
    seen, ids = deeds(tracee, "security_bpf")
    commands = [e["cmd"] for e in seen.of("security_bpf")]
    assert commands == [MAP_CREATE] + [PROG_LOAD] * 4 + [INFO] * len(ids) + [MAP_BY_ID, PROG_BY_ID, PROG_BY_ID]


def test_security_bpf_map(tracee: Tracee) -> None:
    seen, ids = deeds(tracee, "security_bpf_map")
    told = [(e["map_id"], e["map_name"]) for e in seen.of("security_bpf_map")]
    assert told == [(ids[0], "deed_map")] * 2


def test_security_bpf_prog(tracee: Tracee) -> None:
    seen, (_, prog, plain, own, long) = deeds(tracee, "security_bpf_prog")
    told: list[dict[str, Any]] = seen.of("security_bpf_prog")
    assert [(e["name"], e["id"], e["helpers"], e["load"]) for e in told] == [
        ("deed_prog", prog, [KTIME, PID_TGID], True),
        ("deed_plain", plain, [], True),
        ("deed_own", own, [KTIME], True),
        ("deed_long", long, [], True),
        ("deed_prog", prog, None, False),
    ]
    assert all(e["type"] == TRACEPOINT for e in told)
    cut = [[a.get("truncated", False) for a in e["args"] if a["name"] == "helpers"] for e in seen.events]
    assert cut == [[False], [False], [False], [True], [False]]


def test_programs_by_helper(tracee: Tracee) -> None:
    said = tracee.folder / "said"
    flags = ["--filter", "data.helpers=BPF_FUNC_get_current_pid_tgid"]
    seen = watch(tracee, ["security_bpf_prog"], DEEDS, said, flags=flags)
    assert [e["name"] for e in seen.of("security_bpf_prog")] == ["deed_prog"]
