"""``tracee config show``: the settings that flags, environment and files make, and where each was said."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tracee.cli.flags import Command, known, read
from tracee.config import collect
from tracee.config.assemble import nearest_word
from tracee.errors import InputError

ACTIONS = ("show",)
HELP = """usage: tracee config show [FLAG ...]

Prints the settings that a run with these flags would go by, as YAML for --config, and where each of them was said.
The flags are those of tracing; variables TRACEE_* and --config are read as for a run. Needs no root.
"""


def command(arguments: Sequence[str]) -> None:
    """Prints the settings.

    Raises:
        InputError: all that is wrong with them.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(HELP, end="")
        return
    if not arguments:
        raise InputError("config: what is to be done with it? The only thing so far is show")
    nearest_word("config", arguments[0], ACTIONS)
    what, layer = read(arguments[1:])
    if what is not Command.RUN:
        return
    from tracee.cli.run import plan_of
    from tracee.config.show import show

    said = collect(known(), layer, os.environ)
    settings = said.settings()
    plan_of(settings)
    for line in show(known(), said.words, settings):
        print(line)
    print(end="", flush=True)
