"""From what guests told to a table of events, kernels and ways."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Cell", "Session", "cell", "markdown", "page", "short", "table", "tally", "text"]

SYSCALLS = "syscalls"
OUTCOMES = ("passed", "failed", "skipped")
"""Of tests."""


@dataclass
class Session:
    """What one guest told: one kernel, one choice of ways."""

    kernel: str
    """as `uname -r` says it"""
    attach: str
    """best or fallback"""
    events: list[dict[str, Any]] = field(default_factory=list)
    """of `tracee doctor`: name, category, way (None: not to be had), misses, why"""
    tests: list[dict[str, Any]] = field(default_factory=list)
    """what witness.py wrote"""
    proof: list[dict[str, Any]] = field(default_factory=list)
    """of `tracee doctor --prove`: event, deed, variant, outcome (seen, unseen, skipped), why, stated"""
    trouble: str = ""
    """why there is less than there should be"""

    @classmethod
    def read(cls, kernel: str, attach: str, report: str) -> Session:
        """From the lines of JSON that a guest wrote: what the doctor found first, where it was asked, then one a test.

        Without the doctor the events are those that the tests traced. The last line may be cut short, where the guest
        was ended.
        """
        session = cls(kernel, attach)
        for line in report.splitlines():
            try:
                told = json.loads(line)
            except json.JSONDecodeError:
                session.trouble = f"a line of the report is cut: {line[:80]}"
                break
            if "events" in told:
                session.events = told["events"]
                session.proof = told["proof"]
                session.trouble = told["trouble"]
            else:
                session.tests.append(told)
        if not session.events:
            ways = {name: way for test in session.tests for name, way in test["ways"].items()}
            session.events = [{"name": name, "category": "", "way": way} for name, way in sorted(ways.items())]
        return session

    def after(self, earlier: Session) -> Session:
        """This with what an earlier run told of other tests. What it told of another kernel does not count."""
        if earlier.kernel != self.kernel:
            return self
        again = {test["test"] for test in self.tests}
        others = [test for test in earlier.tests if test["test"] not in again]
        events = {event["name"]: event for event in earlier.events}
        # a doctor's word goes before what tests happened to trace
        events |= {
            event["name"]: event
            for event in self.events
            if event["category"] or not events.get(event["name"], {}).get("category")
        }
        proof = self.proof or earlier.proof
        return Session(self.kernel, self.attach, list(events.values()), others + self.tests, proof, self.trouble)

    def to_text(self) -> str:
        """JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def parse(cls, text: str) -> Session:
        """From to_text's."""
        return cls(**json.loads(text))

    def count(self, outcome: str) -> int:
        """Tests that ended so: passed, failed, skipped."""
        return sum(test["outcome"] == outcome for test in self.tests)

    @property
    def well(self) -> bool:
        """Whether all that ran went well, and something did."""
        done = self.count("passed") + self.deeds_seen()
        return done > 0 and not (self.trouble or self.count("failed") or self.deeds_missed())

    def deeds_seen(self, event: str | None = None) -> int:
        """The deeds that were done and seen; of one event, or of all."""
        return sum(deed["outcome"] == "seen" for deed in self.proof if event in (None, deed["event"]))

    def deeds_missed(self, event: str | None = None) -> list[dict[str, Any]]:
        """The deeds that should have been seen and were not: of those that a way says it misses, none."""
        missed = [deed for deed in self.proof if deed["outcome"] == "unseen" and not deed["stated"]]
        return [deed for deed in missed if event in (None, deed["event"])]


@dataclass(frozen=True)
class Cell:
    """An event on a kernel."""

    way: str | None
    """how it is taken; None where it is not to be had"""
    passed: int
    """tests that saw it and passed, and deeds of the doctor that were seen"""
    failed: int
    """tests that traced it and failed, and deeds that should have been seen"""


def cell(session: Session, event: dict[str, Any]) -> Cell:
    """An event's cell. A test that traced several and failed counts against each."""
    name = event["name"]
    passed = sum(test["outcome"] == "passed" and name in test["seen"] for test in session.tests)
    failed = sum(test["outcome"] == "failed" and name in test["ways"] for test in session.tests)
    return Cell(event["way"], passed + session.deeds_seen(name), failed + len(session.deeds_missed(name)))


def short(way: str) -> str:
    """Kinds of hooks of a way: of `lsm:file_open + kprobe:fd_install`, `lsm + kprobe`."""
    return " + ".join(dict.fromkeys(hook.partition(":")[0] for hook in way.split(" + ")))


def text(told: Cell) -> str:
    """A cell's text."""
    if told.way is None:
        return "not to be had"
    way = short(told.way)
    if told.failed:
        return f"{way}: {told.failed} of {told.passed + told.failed} failed"
    return f"{way}: seen" if told.passed else f"{way}: not tested"


def named(sessions: Iterable[Session], categories: Mapping[str, str]) -> None:
    """Adds the categories of events that tests alone told of, and leaves out what is not an event to be had."""
    for session in sessions:
        session.events = [
            {**event, "category": event["category"] or categories[event["name"]]}
            for event in session.events
            if event["name"] in categories
        ]


def unseen(sessions: Iterable[Session], categories: Mapping[str, str]) -> list[str]:
    """Kernel events that no test which passed has seen on any of the kernels."""
    seen = {
        name for session in sessions for test in session.tests if test["outcome"] == "passed" for name in test["seen"]
    }
    seen |= {deed["event"] for session in sessions for deed in session.proof if deed["outcome"] == "seen"}
    return sorted(name for name, category in categories.items() if category != SYSCALLS and name not in seen)


def table(sessions: Sequence[Session]) -> list[list[str]]:
    """Rows of text: a head, a row an event, and one for all system calls where their category is known."""
    rows = [["event", *(f"{session.kernel} {session.attach}" for session in sessions)]]
    cells: dict[str, dict[int, str]] = {}
    calls: dict[int, list[Cell]] = {}
    for column, session in enumerate(sessions):
        for event in session.events:
            if event["category"] == SYSCALLS:
                calls.setdefault(column, []).append(cell(session, event))
            else:
                cells.setdefault(event["name"], {})[column] = text(cell(session, event))
    for name in sorted(cells):
        rows.append([name, *(cells[name].get(column, "?") for column in range(len(sessions)))])
    if calls:
        rows.append(["system calls", *(folded(calls.get(column, [])) for column in range(len(sessions)))])
    return rows


def folded(cells: Iterable[Cell]) -> str:
    """One text for all system calls."""
    had = [told for told in cells if told.way is not None]
    if not had:
        return "?"
    seen = sum(told.passed > 0 for told in had)
    failed = sum(told.failed > 0 for told in had)
    return f"{len(had)}: {seen} seen" + (f", {failed} in tests that failed" if failed else "")


def page(before: str, sessions: Sequence[Session], categories: Mapping[str, str]) -> str:
    """A page with its part about what was seen, from HEAD on, written anew; what stands above is kept.

    Args:
        before: the page as it is.
        sessions: what is to be shown.
        categories: of every event, by name.
    """
    named(sessions, categories)
    never = unseen(sessions, categories)
    ending = f"\nNot seen by a test on any of these kernels: {', '.join(never)}.\n" if never else ""
    return before.partition(HEAD)[0].rstrip() + "\n\n" + markdown(sessions) + ending


def markdown(sessions: Sequence[Session]) -> str:
    """What was run, what failed, and a table for each choice of ways."""
    parts = [HEAD, INTRODUCTION]
    columns = ("kernel", "ways", "deeds seen", "not seen", "tests passed", "failed", "skipped", "")
    parts.append(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
    for session in sessions:
        deeds = f"{session.deeds_seen()} | {len(session.deeds_missed())}" if session.proof else "? | ?"
        counts = " | ".join([deeds, *(str(session.count(outcome)) for outcome in OUTCOMES)])
        trouble = " ".join(session.trouble.split())[:200]
        parts.append(f"| {session.kernel} | {session.attach} | {counts} | {trouble} |\n")
    parts += failures(sessions)
    for attach in dict.fromkeys(session.attach for session in sessions):
        chosen = [session for session in sessions if session.attach == attach]
        head, *rows = table(chosen)
        parts.append(f"\n### {attach.capitalize()} ways\n\n| event | {' | '.join(s.kernel for s in chosen)} |\n")
        parts.append("|" + " --- |" * len(head) + "\n")
        parts += [f"| {' | '.join(row)} |\n" for row in rows]
    return "".join(parts)


def tally(sessions: Sequence[Session]) -> dict[str, int]:
    """How many tests ended how. What the doctor proves of a kernel is one; so is a guest that came to nothing."""
    counted = {outcome: sum(told.count(outcome) for told in sessions) for outcome in OUTCOMES}
    proven = [not told.deeds_missed() for told in sessions if told.proof]
    counted["passed"] += proven.count(True)
    counted["failed"] += proven.count(False) + sum(bool(told.trouble) for told in sessions)
    return counted


def failures(sessions: Iterable[Session]) -> Iterator[str]:
    """A list of the tests that failed and the deeds that were not seen, and how, if there are any."""
    failed = []
    for told in sessions:
        failed += [
            (told, deed["event"], f"{deed['deed']} ({deed['variant']})", deed["why"]) for deed in told.deeds_missed()
        ]
        failed += [
            (told, "test", test["test"].partition("::")[2], test["why"])
            for test in told.tests
            if test["outcome"] == "failed"
        ]
    if failed:
        yield "\nWhat failed:\n\n"
    for told, what, name, why in failed:
        reason = why.partition("\n")[0].replace("`", "'")[:200]
        yield f"- {told.kernel}, {told.attach}: {what}: {name}: `{reason}`\n"


HEAD = "## What was seen\n"

INTRODUCTION = """
What `make test-kernels` saw: deeds of `tracee doctor --prove` and end-to-end tests, done on Debian's kernels in a
virtual machine. Each event is shown with the kind of hook that it is taken by there, and whether a deed or a test that
passed has seen it; "not seen" counts deeds that should have been told and were not. "Best" are the ways that tracee
chooses by itself; "fallback" are those of kernels that refuse kprobes, fentry and LSM programs (`--attach fallback`).

"""
