"""What ``--policy`` names: files, and folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracee.documents.problem import Problem
from tracee.documents.text import read_text, unreadable

ENDINGS = (".yaml", ".yml")


def read_files(named: Sequence[str], problems: list[Problem]) -> list[tuple[str, str]]:
    """The files, each with its text, in order; a folder's in order of name, without hidden files and further folders.

    Args:
        named: files and folders.
        problems: gets what cannot be read.
    """
    texts = []
    for name in named:
        for file in _files(name, problems):
            text = read_text(file, problems)
            if text is not None:
                texts.append((file, text))
    return texts


def _files(name: str, problems: list[Problem]) -> list[str]:
    if not Path(name).is_dir():
        return [name]
    try:
        entries = sorted(entry.name for entry in Path(name).iterdir())
    except OSError as error:
        problems.append(unreadable(name, error))
        return []
    inside = [entry for entry in entries if entry.endswith(ENDINGS) and not entry.startswith(".")]
    paths = [path for path in (Path(name, entry) for entry in inside) if not path.is_dir()]
    files = []
    for path in paths:
        # a pipe would be waited for; a link that leads nowhere is told when it is opened
        if path.exists() and not path.is_file():
            problems.append(Problem(str(path), 0, "is no file"))
        else:
            files.append(str(path))
    if not paths:
        problems.append(Problem(name, 0, "no policy in this folder: it has no *.yaml and no *.yml"))
    return files
