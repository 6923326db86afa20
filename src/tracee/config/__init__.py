"""What a run goes by: flags, environment variables and configuration files become one ``Settings``.

Each is a layer of words, as flags take them (``layers.py``): the command line makes one, ``environment.py`` and
``file.py`` make the others. What is left is assembled (``assemble.py``). So whatever has a flag can be said everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tracee.config.assemble import DEFAULTS, assemble
from tracee.config.environment import read_environment
from tracee.config.layers import Known, Layer, Takes, Word, merge
from tracee.config.settings import Settings

__all__ = ["DEFAULTS", "Known", "Layer", "Said", "Settings", "Takes", "Word", "assemble", "collect"]

FILE = "config"
"""The setting that names configuration files, which cannot stand in one."""


class Said(NamedTuple):
    """All that was said."""

    words: Layer
    """What holds of it."""
    problems: list[str]
    """What is wrong, a line each."""
    remarks: list[str]

    def settings(self) -> Settings:
        """The settings that it makes.

        Raises:
            InputError: all that is wrong.
        """
        return assemble(self.words, self.problems, self.remarks)


def collect(known: Known, flags: Layer, variables: Mapping[str, str]) -> Said:
    """What the command line, the environment and configuration files say: the former go before the latter.

    Args:
        known: all settings, ``config`` among them.
        flags: what the command line says.
        variables: of the environment.
    """
    problems: list[str] = []
    environment, remarks = read_environment(known, variables, problems)
    layers = [flags, environment]
    files = merge(layers).get(FILE, [])
    if files:
        # a start without is sooner without what reads them
        from tracee.config.file import read_file
        from tracee.documents.problem import Problem

        found: list[Problem] = []
        within = {name: takes for name, takes in known.items() if name != FILE}
        # of several, the later goes before the earlier
        layers += reversed([read_file(word.text, within, found) for word in files])
        found.sort(key=lambda problem: (problem.file, problem.line))
        problems += map(str, found)
    return Said(merge([*layers, DEFAULTS]), problems, remarks)
