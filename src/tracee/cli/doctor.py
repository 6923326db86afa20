"""``tracee doctor``: what can be seen on this machine, and what cannot."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from itertools import groupby

from tracee import _core
from tracee.cli.flags import CommandParser
from tracee.config.assemble import nearest_word
from tracee.doctor import EventReport, Machine, Report, examine
from tracee.errors import KernelRefusedError, UnseenError
from tracee.kernel import KernelSettings

FORMATS = ("table", "json")
_SYSCALLS = "syscalls"


def parser() -> argparse.ArgumentParser:
    """The command's flags, with their help."""
    flags = CommandParser(prog="tracee doctor", description="What can be seen on this machine, and what cannot.")
    flags.add_argument("-o", "--output", default="table", metavar="FORMAT", help="table (default) or json")
    flags.add_argument("--attach", default="best", metavar="HOW", help="as for tracing")
    flags.add_argument("--prove", action="store_true", help="do what is to be seen, and look whether it is")
    return flags


def command(arguments: Sequence[str]) -> None:
    """Examines and prints.

    Raises:
        InputError: a flag or value that cannot be.
        KernelRefusedError: nothing can be traced here.
        UnseenError: a deed was not seen, and its event's way does not say so.
    """
    given = parser().parse_args(arguments)
    format = nearest_word("--output", given.output, FORMATS)
    settings = KernelSettings(attach=nearest_word("--attach", given.attach, _core.ATTACH))
    report = _prove(settings) if given.prove else examine(settings)
    if format == "json":
        print(json.dumps(report.to_json(), indent=2), flush=True)
    else:
        print("\n".join(table(report)), flush=True)
    if report.trouble:
        raise KernelRefusedError(report.trouble)
    unseen = [proof for proof in report.proof or () if proof.outcome == "unseen" and not proof.stated]
    if unseen:
        raise UnseenError("not seen, though it should be: " + "; ".join(f"{p.event}: {p.label}" for p in unseen))


def _prove(settings: KernelSettings) -> Report:
    from tracee.doctor.proof import Doer, all_deeds

    # however this ends, what was made for it goes
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    # made first, while this process has no other threads
    with Doer(all_deeds()) as doer:
        return examine(settings, doer)


def table(report: Report) -> list[str]:
    """The lines that a person reads."""
    lines = [f"{name:14} {value}" for name, value in _facts(report.machine)]
    if not report.events:
        return lines
    if report.proof is not None:
        from tracee.cli.proof import proof_table

        return [*lines, "", *proof_table(report.events, report.proof)]
    rows = [("EVENT", "WAY", "MISSES"), *_rows(report.events)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines += ["", *(f"{name:{widths[0]}}  {way:{widths[1]}}  {misses}".rstrip() for name, way, misses in rows)]
    missing = sum(event.way is None for event in report.events)
    lines += ["", f"{len(report.events)} kinds of events, {missing} of them not to be had here"]
    return lines


def _rows(events: Sequence[EventReport]) -> list[tuple[str, str, str]]:
    """A row an event; system calls that are taken one way share one."""
    rows = []
    for (is_call, way, misses), group in groupby(
        sorted(events, key=lambda e: (e.category == _SYSCALLS, e.way or "" if e.category == _SYSCALLS else "")),
        key=lambda e: (e.category == _SYSCALLS, e.way, e.misses),
    ):
        members = list(group)
        if is_call and len(members) > 1:
            rows.append((f"{len(members)} system calls", way or "none", misses))
        else:
            rows += [(e.name, e.way or "none", e.misses if e.way else e.why) for e in members]
    return rows


def _facts(machine: Machine) -> list[tuple[str, str]]:
    def size(count: int) -> str:
        return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"

    limit = "none" if machine.memory_limit is None else size(machine.memory_limit)
    hooks = [f"{kind}: {why or 'yes'}" for kind, why in machine.hooks.items()]
    runtimes = ", ".join(f"{name} ({', '.join(paths)})" for name, paths in machine.runtimes.items())
    return [
        ("tracee", _core.__version__),
        ("kernel", f"{machine.kernel} {machine.architecture}"),
        ("BTF", "yes" if machine.btf else "no"),
        ("LSM", machine.lsm or "unknown"),
        ("lockdown", machine.lockdown or "none"),
        ("cgroups", machine.cgroups + (f", v2 at {machine.cgroup_root}" if machine.cgroup_root else "")),
        ("capabilities", machine.capabilities),
        ("memory limit", limit),
        ("buffers", f"{machine.rings} rings of {size(machine.ring_bytes)}"),
        ("hooks", "; ".join(hooks)),
        ("runtimes", runtimes or "none found"),
    ]
