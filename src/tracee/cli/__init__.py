"""The command line: flags become settings, settings a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tracee import _core
from tracee.cli.flags import Command, parse
from tracee.errors import TraceeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit status: 0, or 1 after an ``ERROR`` line."""
    try:
        command, settings = parse(sys.argv[1:] if arguments is None else list(arguments))
        if command is Command.VERSION:
            print(f"tracee {_core.__version__}")
        elif command is Command.LIST:
            return _list()
        elif command is Command.RUN:
            from tracee.cli.run import run

            run(settings)
    except TraceeError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _list() -> int:
    from tracee.events import listing

    try:
        print(listing(), flush=True)
    except BrokenPipeError:
        # the reader has seen enough; Python would complain of the rest at its end
        sys.stdout = None
    return 0
