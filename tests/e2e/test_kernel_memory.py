"""Memory mapped, and what may be done with it."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from conftest import Tracee
from kernel_events import watch

RW, RX, RWX = 3, 5, 7

LIBC = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
said = open(sys.argv[1], 'w')
"""

MAP = (
    LIBC
    + """
fd = os.open(sys.argv[2], os.O_RDONLY)
print(libc.mmap(None, 5000, 1, 2, fd, 4096), file=said)
print(libc.mmap(None, 12345, 3, 0x22, -1, 0), file=said)
libc.mmap(None, 1 << 62, 3, 0x22, -1, 0)
"""
)


def test_mappings(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(3 * mmap.PAGESIZE))
    seen = watch(tracee, ["do_mmap", "security_mmap_file"], MAP, tmp_path / "said", file)
    first, second = map(int, (tmp_path / "said").read_text().split())
    stat = os.stat(file)
    (event,) = [e for e in seen.of("do_mmap") if e["pathname"] == str(file)]
    assert (event["addr"], event["len"], event["pgoff"]) == (hex(first), 5000, 1)
    assert (event["prot"], event["mmap_flags"] & 0xF) == (1, 2)
    assert (event["dev"], event["inode"], event["ctime"]) == (stat.st_dev, stat.st_ino, stat.st_ctime_ns)
    (event,) = [e for e in seen.of("do_mmap") if e["len"] == 12345]
    assert (event["addr"], event["pathname"], event["inode"], event["prot"]) == (hex(second), None, None, RW)
    assert not [e for e in seen.of("do_mmap") if e["len"] == 1 << 62]
    (event,) = [e for e in seen.of("security_mmap_file") if e["pathname"] == str(file)]
    assert (event["inode"], event["prot"], event["mmap_flags"] & 0xF) == (stat.st_ino, 1, 2)


PROTECT = (
    LIBC
    + """
page = 4096
fd = os.open(sys.argv[2], os.O_RDONLY)
of_file = libc.mmap(None, 2 * page, 1, 2, fd, 0)
area = libc.mmap(None, page, 3, 0x22, -1, 0)
both = libc.mmap(None, page, 7, 0x22, -1, 0)
assert libc.mprotect(of_file + page, page, 3) == 0
assert libc.mprotect(area, page, 5) == 0
assert libc.mprotect(area, page, 7) == 0
assert libc.mprotect(area, page, 1) == 0
assert libc.mprotect(area, page, 5) == 0
libc.mprotect(1, 1, 7)
key = libc.pkey_alloc(0, 0)
keyed = key >= 0 and libc.pkey_mprotect(ctypes.c_void_p(area), page, 3, key) == 0
print(of_file, area, both, key if keyed else -1, file=said)
"""
)


def test_protection_and_its_alerts(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(2 * mmap.PAGESIZE))
    seen = watch(tracee, ["security_file_mprotect", "mem_prot_alert"], PROTECT, tmp_path / "said", file)
    of_file, area, both, key = map(int, (tmp_path / "said").read_text().split())
    told = [e for e in seen.of("security_file_mprotect") if int(e["addr"], 16) in (of_file + 4096, area)]
    assert [(e["prev_prot"], e["prot"]) for e in told[:5]] == [(1, RW), (RW, RX), (RX, RWX), (RWX, 1), (1, RX)]
    assert (told[0]["pathname"], told[0]["ctime"]) == (str(file), os.stat(file).st_ctime_ns)
    assert told[1]["pathname"] is None
    assert {e["len"] for e in told} == {4096}
    assert [e["pkey"] for e in told] == [-1] * 5 + ([key] if key >= 0 else [])
    alerts = [e for e in seen.of("mem_prot_alert") if int(e["addr"], 16) in (area, both)]
    expected = [(1, both, RWX, 0), (4, area, RX, RW), (3, area, RWX, RX), (2, area, RX, 1)]
    expected += [(3, area, RW, RX)] if key >= 0 else []
    assert [(e["alert"], int(e["addr"], 16), e["prot"], e["prev_prot"]) for e in alerts] == expected


def test_libraries(tracee: Tracee, tmp_path: Path) -> None:
    script = "import ctypes\nctypes.CDLL('libm.so.6')\nopen('/etc/hostname').read()"
    seen = watch(tracee, ["shared_object_loaded"], script)
    paths = [e["pathname"] for e in seen.of("shared_object_loaded")]
    libc = [path for path in paths if "/libc" in path]
    assert len(libc) == 1
    (event,) = [e for e in seen.of("shared_object_loaded") if e["pathname"] == libc[0]]
    file = os.stat(libc[0])
    assert (event["dev"], event["inode"], event["ctime"]) == (file.st_dev, file.st_ino, file.st_ctime_ns)
    assert not [path for path in paths if path.endswith(("/deed", "/hostname"))]
