"""What ``tracee doctor --prove`` found, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracee.doctor import EventReport
from tracee.doctor.proof import SEEN, SKIPPED, UNSEEN, Proof, all_unproven

_MARGIN = "  "


def proof_table(events: Sequence[EventReport], proofs: Sequence[Proof]) -> list[str]:
    """The lines: what was seen of each event, what could be done unseen, and what was not tried."""
    deeds: dict[str, list[Proof]] = {}
    for proof in proofs:
        deeds.setdefault(proof.event, []).append(proof)
    reports = [event for event in events if event.name in deeds]
    lines = _aligned([("EVENT", "WAY", "SEEN", "UNSEEN"), *(_row(report, deeds[report.name]) for report in reports)])
    lines += _section("Seen, but with arguments unknown", _missing(proofs))
    blind = [event for event in events if event.name in deeds or event.name in all_unproven()]
    lines += _section("What could still be done unseen", _aligned(_unseen(blind, proofs)))
    lines += _section("Not done here", _skipped(proofs))
    lines += _section("Not to be proven", (f"{', '.join(names)}: {why}" for why, names in _by_reason().items()))
    return [*lines, "", _summary(proofs)]


def _row(report: EventReport, proofs: Sequence[Proof]) -> tuple[str, str, str, str]:
    seen = sum(proof.outcome == SEEN for proof in proofs)
    done = sum(proof.outcome != SKIPPED for proof in proofs)
    return (
        report.name,
        report.way or "none",
        f"{seen} of {done}",
        ", ".join(_unseen_names(proofs) if report.way else ()),
    )


def _unseen_names(proofs: Sequence[Proof]) -> list[str]:
    """Of each deed that was not seen: in no manner, or in which."""
    names = []
    for name in dict.fromkeys(proof.deed for proof in proofs):
        done = [proof for proof in proofs if proof.deed == name and proof.outcome != SKIPPED]
        unseen = [proof for proof in done if proof.outcome == UNSEEN]
        mark = "" if all(proof.stated for proof in unseen) else " (NOT STATED)"
        if unseen and len(unseen) == len(done):
            names.append(name + mark)
        else:
            names += [proof.label + mark for proof in unseen]
    return names


def _missing(proofs: Iterable[Proof]) -> list[str]:
    return [f"{p.event}: {', '.join(p.missing)} of {p.label}" for p in proofs if p.missing]


def _unseen(events: Iterable[EventReport], proofs: Iterable[Proof]) -> list[tuple[str, str]]:
    """By event: what its way misses, and what was done unseen without its saying so."""
    told: dict[str, list[str]] = {}
    for proof in proofs:
        if proof.outcome == UNSEEN and not proof.stated:
            told.setdefault(proof.event, []).append(f"{proof.label}: {proof.why}")
    rows = []
    for event in events:
        misses = "" if event.misses.startswith("nothing") else event.misses
        words = [misses, *told.get(event.name, [])]
        rows.append((event.name, "; ".join(word for word in words if word)))
    return [row for row in rows if row[1]]


def _skipped(proofs: Iterable[Proof]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for proof in proofs:
        if proof.outcome == SKIPPED:
            reasons.setdefault(proof.why, []).append(f"{proof.event} ({proof.label})")
    most = 3
    return [
        f"{why}: {', '.join(names[:most])}" + (f" and {len(names) - most} more" if len(names) > most else "")
        for why, names in reasons.items()
    ]


def _by_reason() -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for name, why in all_unproven().items():
        reasons.setdefault(why, []).append(name)
    return reasons


def _summary(proofs: Sequence[Proof]) -> str:
    def count(outcome: str) -> int:
        return sum(proof.outcome == outcome for proof in proofs)

    kinds = len({proof.event for proof in proofs if proof.outcome == SEEN})
    unstated = sum(proof.outcome == UNSEEN and not proof.stated for proof in proofs)
    return (
        f"{kinds} kinds of events proven: {count(SEEN)} deeds seen, {count(UNSEEN)} not, "
        f"{unstated} of these although they should be; {count(SKIPPED)} not done here"
    )


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = [f"{_MARGIN}{line}" for line in lines]
    return ["", title, *body] if body else []


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    cells = [[f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)] + [row[-1]] for row in rows]
    return [_MARGIN.join(row).rstrip() for row in cells]
