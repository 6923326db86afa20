"""What is said of plans in which an event can tell nothing."""

from __future__ import annotations

import pytest

from tracee.policy import plan_from_flags, remarks


@pytest.mark.parametrize(
    ("event", "filters"),
    [
        ("symbols_loaded", []),
        ("symbols_loaded", ["data.symbols!=getenv"]),
        ("symbols_loaded", ["data.library_path=/tmp/*"]),
        ("print_mem_dump", []),
        ("print_mem_dump", ["data.length=16"]),
    ],
)
def test_events_that_tell_nothing_are_named(event: str, filters: list[str]) -> None:
    said = remarks(plan_from_flags([event, "getppid"], filters=filters))
    assert list(said) == [event]
    assert "\n" not in said[event]
    assert "=..." in said[event]


@pytest.mark.parametrize(
    ("event", "filters"),
    [
        ("symbols_loaded", ["data.symbols=getenv"]),
        ("symbols_collision", []),
        ("print_mem_dump", ["data.address=0x10"]),
        ("print_mem_dump", ["data.symbol_name=do_exit"]),
        ("openat", []),
    ],
)
def test_nothing_is_said_of_others(event: str, filters: list[str]) -> None:
    assert remarks(plan_from_flags([event], filters=filters)) == {}
