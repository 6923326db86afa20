"""What an interpreter, or the dynamic loader, is told to run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

INTERPRETERS = re.compile(
    r"(?:ba|da|a|z|k|mk|tc|c|fi)?sh|busybox|python[\d.]*|pypy[\d.]*|perl[\d.]*|ruby[\d.]*|php[\d.]*|node|nodejs|lua[\d.]*|luajit"
)
LOADERS = re.compile(r"ld(?:64|-[^/]*)?\.so[^/]*")
_WITH_VALUE = frozenset(
    ("--library-path", "--preload", "--audit", "--argv0", "--inhibit-rpath", "-W", "-X", "-I", "-O", "-o")
)
"""Options that take the next argument."""
_CODE = (
    (re.compile(r"python|pypy"), re.compile(r"-[a-zA-Z]*[cm]")),
    (re.compile(r"perl|ruby|lua|node"), re.compile(r"-[a-zA-Z]*[eEp]|--eval|--print")),
    (re.compile(r"php"), re.compile(r"-[rRBE]")),
    (re.compile(r""), re.compile(r"-[a-zA-Z]*c[a-zA-Z]*")),
)
"""Options after which there is no file, by interpreter; the last is the shells'."""


def is_loader(path: str) -> bool:
    """Whether a program is the dynamic loader, run by itself."""
    return LOADERS.fullmatch(os.path.basename(path)) is not None


def program_of(path: str, argv: Sequence[str]) -> str | None:
    """The file that an interpreter runs: its first argument that is no option; None where it runs none.

    Args:
        path: the interpreter's file.
        argv: its arguments, its own name first.
    """
    name = os.path.basename(path)
    loads = is_loader(path)
    if not loads and not INTERPRETERS.fullmatch(name):
        return None
    code = next(options for names, options in _CODE if names.match(name))
    arguments = iter(argv[1:])
    for argument in arguments:
        if not argument.startswith("-") or argument == "-":
            return argument
        if argument == "--":
            return next(arguments, None)
        if not loads and code.fullmatch(argument):
            return None
        if argument in _WITH_VALUE and (loads or argument in ("-W", "-X", "-I", "-o", "-O")):
            next(arguments, None)
    return None
