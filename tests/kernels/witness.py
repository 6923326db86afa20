"""A pytest plugin for guests: tells the host of each test as soon as it has ended, and bounds its time.

Lines of JSON go to the file that --witness names, one a test: `test`, `outcome`, `seconds`, `why` (of a failure or a
skip), `ways` (how each event that the test traced was taken), `seen` (which of them came).
"""

from __future__ import annotations

import inspect
import json
import re
import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

TAKEN = re.compile(r"^DEBUG (\w+) is taken by (.+?)(?:, which misses .*)?$", re.MULTILINE)


class TooSlowError(Exception):
    """A test's time is over."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the plugin's flags."""
    group = parser.getgroup("witness")
    group.addoption("--witness", metavar="FILE", help="where a line for each test goes")
    group.addoption("--seconds", type=int, default=600, help="a test that takes longer has failed")
    group.addoption("--event", action="append", default=[], help="only tests whose text names one of these events")


def pytest_configure(config: pytest.Config) -> None:
    """Begins to tell."""
    file = config.getoption("--witness")
    if file:
        config.pluginmanager.register(Witness(Path(file)), "the-witness")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out tests that are of other events."""
    events = config.getoption("--event")
    if events:
        word = re.compile(r"\b(" + "|".join(map(re.escape, events)) + r")\b")
        chosen = [item for item in items if word.search(text_of(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def text_of(item: pytest.Item) -> str:
    """A test's name and code, with what its module defines that the code uses by name."""
    code = inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""
    module = vars(inspect.getmodule(item.function) or object) if isinstance(item, pytest.Function) else {}
    used = [
        repr(value) for name, value in module.items() if isinstance(value, (str, tuple, list, dict)) and name in code
    ]
    return "\n".join([item.name, code, *used])


def bounded(item: pytest.Item) -> Generator[None, object, object]:
    """Lets a phase of a test go on for --seconds at most."""
    seconds = item.config.getoption("--seconds")

    def over(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Bounds what comes before a test."""
    return (yield from bounded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Bounds a test."""
    return (yield from bounded(item))


def evidence(folder: Path) -> tuple[dict[str, str], list[str]]:
    """What the runs of tracee in a test's folder left: how each event was taken, and which events came."""
    ways: dict[str, str] = {}
    seen: set[str] = set()
    for log in folder.glob("stdout-*.err"):
        ways.update(TAKEN.findall(log.read_text(encoding="utf-8", errors="replace")))
        seen.update(names(log.with_suffix("")))
    return ways, sorted(seen)


def names(events: Path) -> Iterator[str]:
    """Names of the events in a file of JSON lines."""
    with open(events, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name = re.search(r'"eventName":\s*"(\w+)"', line)
            if name:
                yield name[1]


class Witness:
    """Writes a line for each test."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begun = 0.0
        self._told: dict[str, Any] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begins a line."""
        self._begun = time.monotonic()
        self._told = {"test": nodeid, "outcome": "passed", "why": "", "ways": {}, "seen": []}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Takes down what a phase came to."""
        report = yield
        if report.outcome != "passed":
            self._told["outcome"] = report.outcome
            self._told["why"] = reason(report)
        if call.when == "call" and isinstance(item, pytest.Function):
            folder = item.funcargs.get("tmp_path")
            if isinstance(folder, Path):
                self._told["ways"], self._told["seen"] = evidence(folder)
        return report

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Writes the line."""
        self._told["seconds"] = round(time.monotonic() - self._begun, 1)
        with open(self._file, "a", encoding="utf-8") as file:
            file.write(json.dumps(self._told) + "\n")


def reason(report: pytest.TestReport) -> str:
    """Why a test failed or was skipped, in some lines."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    lines = str(report.longrepr).splitlines()
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return "\n".join(errors or lines[-1:])[:1500]
