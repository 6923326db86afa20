"""The command line: flags become settings, settings a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from tracee import _core
from tracee.cli.flags import COMMANDS, Command, parse
from tracee.errors import TraceeError
from tracee.log import tell_end


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit status: 0, or 1 after an ``ERROR`` line."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if words and words[0] in COMMANDS:
            return _print(partial(_command, words[0], words[1:]))
        command, settings = parse(words, os.environ)
        if settings.signature_folders:
            from tracee.detect.known import use_folders

            use_folders(settings.signature_folders)
        if command is Command.VERSION:
            print(f"tracee {_core.__version__}")
        elif command is Command.LIST:
            from tracee.events import listing

            return _print(lambda: print(listing(), flush=True))
        elif command is Command.RUN:
            from tracee.cli.run import run

            run(settings)
    except TraceeError as error:
        tell_end(error.lines)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _command(name: str, arguments: Sequence[str]) -> None:
    from importlib import import_module

    import_module(f"tracee.cli.{name}").command(arguments)


def _print(write: Callable[[], None]) -> int:
    try:
        write()
    except BrokenPipeError:
        # the reader has seen enough; Python would complain of the rest at its end
        sys.stdout = None
    return 0
