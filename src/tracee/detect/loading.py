"""Signatures in files: found, checked, and their classes told."""

from __future__ import annotations

import ast
import os
import stat
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tracee.detect.signature import Signature
from tracee.documents.problem import Problem

BUILT_IN = "built in"
_MOST_BYTES = 1 << 20


class Found(NamedTuple):
    """A class that is a signature, and where it stands."""

    cls: type[Signature]
    file: str
    """``BUILT_IN`` where it is ours."""
    line: int


def built_in() -> Iterator[Found]:
    """Those of this package: one in each module of ``tracee.signatures``."""
    import pkgutil

    import tracee.signatures

    for module in pkgutil.iter_modules(tracee.signatures.__path__):
        if not module.ispkg:
            imported = import_module(f"tracee.signatures.{module.name}")
            yield from (Found(cls, BUILT_IN, 0) for cls in _classes(imported))


def in_folder(folder: str, problems: list[Problem]) -> Iterator[Found]:
    """Those in the ``*.py`` of a folder, in order of name.

    Args:
        folder: as ``--signatures-dir`` names it.
        problems: gets all that is wrong.
    """
    try:
        entries = sorted(entry.name for entry in Path(folder).iterdir())
        wrong = _distrust(Path(folder).stat())
    except OSError as error:
        problems.append(Problem(folder, 0, f"--signatures-dir: cannot be read: {error.strerror}"))
        return
    if wrong:
        problems.append(Problem(folder, 0, f"--signatures-dir: {wrong}"))
        return
    names = [name for name in entries if name.endswith(".py") and not name.startswith(".")]
    if not names:
        problems.append(Problem(folder, 0, "--signatures-dir: no *.py in this folder"))
    for name in names:
        yield from in_file(str(Path(folder, name)), problems)


def in_file(path: str, problems: list[Problem]) -> Iterator[Found]:
    """Those in one file; see :func:`in_folder`."""
    source = _read(path, problems)
    if source is None:
        return
    try:
        tree = ast.parse(source, path)
        code = compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        problems.append(Problem(path, line, f"no Python: {what}"))
        return
    lines = {node.name: node.lineno for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    # a name that no module of ours and no library has
    module = ModuleType(f"tracee_signatures.{path.replace('.', '_')}")
    module.__file__ = path
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except Exception as error:  # noqa: BLE001 - what stands in the file may raise anything
        del sys.modules[module.__name__]
        problems.append(Problem(path, line_in(path, error), f"{type(error).__name__}: {error}"))
        return
    for cls in _classes(module):
        yield Found(cls, path, lines.get(cls.__name__, 0))


def line_in(path: str, error: BaseException) -> int:
    """The line of a file that an error came by; 0: by none."""
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else 0


def _classes(module: ModuleType) -> Iterator[type[Signature]]:
    """The signatures that a module defines itself, in its order; what begins with _ is for others to build on."""
    for name, value in vars(module).items():
        is_signature = isinstance(value, type) and issubclass(value, Signature) and value is not Signature
        if is_signature and value.__module__ == module.__name__ and not name.startswith("_"):
            yield value


def _read(path: str, problems: list[Problem]) -> bytes | None:
    """What is checked is what is read, whatever the path leads to by then."""
    try:
        with open(path, "rb", opener=_opener) as file:
            status = os.fstat(file.fileno())
            wrong = "is no file" if not stat.S_ISREG(status.st_mode) else _distrust(status)
            content = b"" if wrong else file.read(_MOST_BYTES + 1)
    except OSError as error:
        problems.append(Problem(path, 0, f"cannot be read: {error.strerror}"))
        return None
    if len(content) > _MOST_BYTES:
        wrong = f"larger than {_MOST_BYTES >> 20} MiB"
    if wrong:
        problems.append(Problem(path, 1, wrong))
        return None
    return content


def _opener(path: str, flags: int) -> int:
    # a pipe would be waited for
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


def _distrust(status: os.stat_result) -> str | None:
    """Why what stands there could be somebody else's; it runs with all that tracee may do."""
    if status.st_uid not in (0, os.geteuid()):
        return f"refused: user {status.st_uid} owns it, who is neither root nor the one that runs tracee"
    if status.st_mode & stat.S_IWOTH:
        return "refused: everybody may write to it"
    return None
