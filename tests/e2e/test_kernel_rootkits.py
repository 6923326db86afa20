"""Searches for what hides in the kernel: they must find nothing where nothing hides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Tracee, wait_until
from kernel_events import ATTACH, values

DUMP = ("--filter", "data.length=32", "--filter")
CODE = "do_exit"
"""A function that every kernel has."""


@pytest.fixture
def symbols() -> dict[str, int]:
    """Addresses of the kernel's own symbols."""
    lines = Path("/proc/kallsyms").read_text(encoding="utf-8").splitlines()
    words: Iterator[list[str]] = (line.split() for line in lines)
    found = {name[2]: int(name[0], 16) for name in words if len(name) == 3}
    if not found.get(CODE):
        pytest.skip("/proc/kallsyms hides the kernel's addresses")
    return found


def dumped(tracee: Tracee, events: str, filters: tuple[str, ...], count: int) -> list[JsonEvent]:
    """Traces until `count` places of memory have been shown."""
    with tracee.run("--events", events, "--attach", ATTACH, "--output", "json", *filters) as run:

        def shown() -> bool:
            told = [event for event in run.events_so_far() if event["eventName"] == "print_mem_dump"]
            return len(told) >= count

        wait_until(shown, "memory to be shown")
        return run.stop()


def test_memory_is_shown_by_symbol(tracee: Tracee, symbols: dict[str, int]) -> None:
    (event,) = dumped(tracee, "print_mem_dump", (*DUMP, f"data.symbol_name={CODE}"), 1)
    told = values(event)
    assert int(told["address"], 16) == symbols[CODE]
    assert (told["length"], told["symbol_owner"]) == (32, "system")
    assert told["bytes"]


def test_memory_is_the_same_by_address(tracee: Tracee, symbols: dict[str, int]) -> None:
    by_name = values(dumped(tracee, "print_mem_dump", (*DUMP, f"data.symbol_name={CODE}"), 1)[0])
    by_address = values(dumped(tracee, "print_mem_dump", (*DUMP, f"data.address={symbols[CODE]:#x}"), 1)[0])
    assert by_address == by_name


def test_memory_that_is_not_there_is_null(tracee: Tracee, symbols: dict[str, int]) -> None:
    filters = (*DUMP, f"data.symbol_name={CODE},no_such_symbol")
    told = {v["symbol_name"]: v for v in map(values, dumped(tracee, "print_mem_dump", filters, 2))}
    assert told["no_such_symbol"]["bytes"] is None
    assert told["no_such_symbol"]["address"] is None
    assert told[CODE]["bytes"]


def test_nothing_is_found_where_nothing_hides(tracee: Tracee, symbols: dict[str, int]) -> None:
    """Memory is shown at the end of a round of searches, so that by then the others have been made."""
    searches = "hidden_kernel_module,hooked_syscall,hooked_syscalls,hooked_seq_ops,hooked_proc_fops,ftrace_hook"
    filters = ("--filter", f"data.symbol_name={CODE}")
    events = dumped(tracee, f"print_mem_dump,{searches}", filters, 1)
    assert [event["eventName"] for event in events] == ["print_mem_dump"], events


def test_searches_that_cannot_be_made_say_why(tracee: Tracee) -> None:
    if Path("/proc/modules").exists():
        pytest.skip("this kernel loads modules")
    with tracee.run("--events", "hidden_kernel_module,getppid", "--attach", ATTACH) as run:
        assert re.search(r"hidden_kernel_module is not available.*loads no modules", run.stderr)
        assert run.end() == 0
