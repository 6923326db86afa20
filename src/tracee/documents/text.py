"""Files of text that people write: policies and settings."""

from __future__ import annotations

from tracee.documents.problem import Problem

MOST_BYTES = 1 << 20


def read_text(file: str, problems: list[Problem]) -> str | None:
    """The file's text; None where it cannot be had, which ``problems`` then says."""
    try:
        with open(file, "rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        problems.append(unreadable(file, error))
        return None
    if len(content) > MOST_BYTES:
        problems.append(Problem(file, 0, f"larger than {MOST_BYTES >> 20} MiB"))
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(file, line, f"byte 0x{content[error.start]:02x} is not UTF-8"))
        return None


def unreadable(name: str, error: OSError) -> Problem:
    """What the system says of a file or folder."""
    return Problem(name, 0, f"cannot be read: {error.strerror}")
