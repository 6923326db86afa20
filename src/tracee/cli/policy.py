"""``tracee policy check``: whether policies can be used, without tracing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tracee.cli.flags import CommandParser
from tracee.config.assemble import nearest_word
from tracee.policy.reader import plan_from_files

ACTIONS = ("check",)


def parser() -> argparse.ArgumentParser:
    """The command's flags, with their help."""
    flags = CommandParser(
        prog="tracee policy", description="Says what policies select, or all that is wrong with them."
    )
    flags.add_argument("action", metavar="check", help="the only thing to do so far; needs no root")
    flags.add_argument(
        "--signatures-dir", action="append", default=[], metavar="FOLDER", help="own signatures that policies name"
    )
    flags.add_argument("files", metavar="FILE|DIR", nargs="+", help="policy files, and folders of them")
    return flags


def command(arguments: Sequence[str]) -> None:
    """Reads, checks and prints a line for each policy.

    Raises:
        InputError: all that is wrong.
    """
    given = parser().parse_args(arguments)
    nearest_word("policy", given.action, ACTIONS)
    if given.signatures_dir:
        from tracee.detect.known import use_folders

        use_folders(given.signatures_dir)
    for policy in plan_from_files(given.files).policies:
        rules = _count(len(policy.written), "rule")
        events = _count(len({rule.event for rule in policy.rules}), "event")
        print(f"{policy.file}: policy {policy.name}: {rules}, {events}", flush=True)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
