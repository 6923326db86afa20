"""The test modules do what tests of events rely on. In guests only: tests/kernels/run.py."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from objects import address, available, loaded

pytestmark = pytest.mark.skipif(available() is None, reason="no test modules here: see tests/kernels/run.py")


def modules() -> dict[str, int]:
    """The kernel's own list: where each module is."""
    lines = Path("/proc/modules").read_text(encoding="utf-8").splitlines()
    return {line.split()[0]: int(line.split()[5], 16) for line in lines}


def word(where: int) -> int:
    """A word of the kernel's memory."""
    with open("/proc/kcore", "rb") as core:
        header = core.read(64)
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        for number in range(count):
            core.seek(offset + number * size)
            kind, _, at, start, _, length, _, _ = struct.unpack("<IIQQQQQQ", core.read(56))
            if kind == 1 and start <= where < start + length:
                core.seek(at + where - start)
                return int.from_bytes(core.read(8), "little")
    raise LookupError(f"{where:#x} is not in /proc/kcore")


def test_hello_is_there() -> None:
    with loaded("hello"):
        assert "hello" in modules()
        assert Path("/sys/module/hello/version").read_text(encoding="utf-8") == "1.2\n"
        assert len(Path("/sys/module/hello/srcversion").read_text(encoding="utf-8")) > 16
    assert "hello" not in modules()


def test_hidden_is_in_no_list_until_it_is_shown() -> None:
    state = Path("/proc/test_hidden")
    with loaded("hidden", hide=0):
        assert "hidden" in modules()
        state.write_text("1", encoding="utf-8")
        assert "hidden" not in modules()
        assert not Path("/sys/module/hidden").exists()
        assert state.read_text(encoding="utf-8") == "1\n"
        state.write_text("0", encoding="utf-8")
        assert "hidden" in modules()
    with loaded("hidden"):
        assert "hidden" not in modules()
        state.write_text("0", encoding="utf-8")


def test_hooksys_changes_one_entry_and_changes_it_back() -> None:
    table = address("sys_call_table")
    entries = [table + 8 * number for number in (110, 111, 112)]
    before = [word(entry) for entry in entries]
    with loaded("hooksys", table=table, number=111):
        changed = [word(entry) for entry in entries]
        assert (changed[0], changed[2]) == (before[0], before[2])
        assert modules()["hooksys"] <= changed[1] < modules()["hooksys"] + 0x10000
    assert [word(entry) for entry in entries] == before


def test_hookseq_changes_both_tables_and_changes_them_back() -> None:
    seq, file = address("tcp4_seq_ops"), address("proc_root_operations")
    listed = Path("/proc/net/tcp").read_text(encoding="utf-8")
    before = [word(seq + 8 * number) for number in range(4)]
    with loaded("hookseq", seq_ops=seq, file_ops=file) as module:
        assert module.name == "hookseq.ko"
        changed = [word(seq + 8 * number) for number in range(4)]
        assert changed[:3] == before[:3]  # start, stop, next
        assert modules()["hookseq"] <= changed[3] < modules()["hookseq"] + 0x10000
        assert Path("/proc/net/tcp").read_text(encoding="utf-8") == listed
        assert Path("/proc/self").resolve() in set(Path("/proc").iterdir())
    assert [word(seq + 8 * number) for number in range(4)] == before


def test_probes_makes_all_that_it_says() -> None:
    made = [Path("/proc/test_probes"), Path("/sys/kernel/debug/test_probes/file"), Path("/dev/test_probes")]
    with loaded("probes"):
        assert all(path.exists() for path in made)
        assert "do_exit" in Path("/sys/kernel/debug/kprobes/list").read_text(encoding="utf-8")
        assert "do_exit" in Path("/sys/kernel/tracing/enabled_functions").read_text(encoding="utf-8")
        assert "test_probes" in Path("/proc/devices").read_text(encoding="utf-8")
    assert not any(path.exists() for path in made)
