"""A program is put where a listing does not show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.contents import MEMORY, is_elf
from tracee.signatures.common.packages import installs_packages

if TYPE_CHECKING:
    from tracee._core import Event

OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm", "/run/shm", "/run/lock")
KNOWN = frozenset(
    (
        ".build-id",
        ".bun",
        ".cache",
        ".cargo",
        ".conda",
        ".config",
        ".deno",
        ".git",
        ".gradle",
        ".julia",
        ".local",
        ".m2",
        ".mypy_cache",
        ".nox",
        ".npm",
        ".nvm",
        ".pnpm",
        ".pyenv",
        ".rbenv",
        ".rustup",
        ".sdkman",
        ".tox",
        ".venv",
        ".virtualenvs",
        ".vscode-server",
        ".yarn",
    )
)
"""Folders in which tools keep programs."""
BEING_COPIED = re.compile(r"\..+\.[A-Za-z0-9]{6}")
"""What rsync calls a file until it is whole."""


def is_hidden(path: str) -> bool:
    """Whether a listing does not show the file, or a folder above it that no tool is known to make.

    A known folder counts where everybody may make one: /tmp/.cache is nobody's cache.
    """
    folders, _, name = path.rpartition("/")
    if name.startswith("."):
        return True
    above = ""
    for folder in folders.split("/")[1:]:
        if folder.startswith(".") and (folder not in KNOWN or above in OPEN_TO_ALL):
            return True
        above = f"{above}/{folder}"
    return False


class HiddenFileCreated(Signature):
    """An ELF file written to a hidden place, or moved there."""

    metadata = Metadata(
        id="TRC-1015",
        name="Hidden Executable Created",
        event_name="hidden_file_created",
        description="A program, or a library, was put in a file or folder whose name begins with a dot, which "
        "listings do not show.",
        severity=Severity.MEDIUM,
        category="defense-evasion",
        technique_id="T1564.001",
        technique="Hidden Files and Directories",
        tags=("linux", "container"),
        fields=(Field("path", about="of the file"),),
    )
    selected = (
        Selected("magic_write", "data.pathname=*/.*"),
        Selected("security_inode_rename", "data.new_path=*/.*"),
        Selected("security_inode_link", "data.new_path=*/.*"),
    )

    def on_event(self, event: Event) -> None:
        is_write = event.name == "magic_write"
        path = str(event.args["pathname" if is_write else "new_path"] or "")
        if path.startswith(MEMORY[0]) or not is_hidden(path):
            return
        if is_write:
            told, inode = event.args["bytes"], event.args["inode"]
        else:
            # out of one hidden place into another: told when it came into the first
            if is_hidden(str(event.args["old_path"] or "")):
                return
            told, inode = None, None
        if is_elf(event, path, told, inode) and not self._is_honest(event, path):
            self.found(event, path=path)

    def _is_honest(self, event: Event, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if event.executable == "/usr/bin/rsync" and BEING_COPIED.fullmatch(name) and not is_hidden(f"{folder}/-"):
            return True
        return installs_packages(event, self.ctx)
