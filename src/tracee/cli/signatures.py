"""``tracee signatures``: what signatures there are, and what one finds in saved events."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from tracee.cli.flags import CommandParser
from tracee.config.assemble import nearest_word
from tracee.detect.known import Known, from_file, known, use_folders
from tracee.errors import InputError

ACTIONS = ("list", "test")
_COLUMNS = ("ID", "EVENT", "SEVERITY", "TECHNIQUE", "SOURCE", "NAME")


def parser() -> argparse.ArgumentParser:
    """The command's flags, with their help."""
    flags = CommandParser(
        prog="tracee signatures",
        description="Says what signatures there are, or what those of one file find in saved events.",
    )
    flags.add_argument("action", metavar="list|test", help="needs no root")
    flags.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="test: the signatures' file, then events as --output json writes them (- is standard input); the "
        "findings are printed as JSON, a line each",
    )
    flags.add_argument(
        "--signatures-dir", action="append", default=[], metavar="FOLDER", help="own signatures; may be given again"
    )
    return flags


def command(arguments: Sequence[str]) -> None:
    """Prints the table, or the findings.

    Raises:
        InputError: all that is wrong with the signatures, or with the events.
    """
    given = parser().parse_args(arguments)
    nearest_word("signatures", given.action, ACTIONS)
    if given.action == "list":
        if given.files:
            raise InputError(f'signatures list: "{given.files[0]}" is one word too many')
        use_folders(given.signatures_dir)
        print(_table(list(known().values())), flush=True)
        return
    if len(given.files) != 2:
        raise InputError("signatures test: not FILE EVENTS.json: the signatures' file, and that of the events")
    _test(*given.files)


def _table(signatures: Sequence[Known]) -> str:
    rows = [_COLUMNS]
    for one in signatures:
        said = one.metadata
        severity = f"{int(said.severity)} {said.severity.name.lower()}"
        rows.append((said.id, one.name, severity, said.technique_id or "-", one.file, said.name))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows)


def _test(file: str, events: str) -> None:
    from tracee.detect.saved import findings

    for finding in findings(from_file(file), events):
        print(json.dumps(finding), flush=True)
