"""The dynamic loader is told to put something before a program's own libraries."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.changes import change_of, changes, is_in_another_root
from tracee.signatures.common.libraries import is_installed_library, replaces_libraries

if TYPE_CHECKING:
    from tracee._core import Event

PRELOADS = ("LD_PRELOAD", "LD_AUDIT")
FOLDERS = "LD_LIBRARY_PATH"
FILE = "/etc/ld.so.preload"
KNOWN = (
    "libasan",
    "libeatmydata",
    "libfakeroot",
    "libgtk3-nocsd",
    "libjemalloc",
    "libmimalloc",
    "libstdbuf",
    "libtcmalloc",
    "libtsan",
)
"""Libraries that are made for being loaded so, by how their names begin."""


class LdPreload(Signature):
    """LD_PRELOAD, LD_AUDIT or LD_LIBRARY_PATH in the environment of a program, or /etc/ld.so.preload changed."""

    metadata = Metadata(
        id="TRC-107",
        name="LD_PRELOAD Code Injection",
        event_name="ld_preload",
        description="The dynamic loader was told to load a library before a program's own. It can take the place of "
        "every function that the program calls.",
        severity=Severity.MEDIUM,
        category="persistence",
        technique_id="T1574",
        technique="Hijack Execution Flow",
        tags=("linux", "container"),
        fields=(
            Field("variable", about="LD_PRELOAD, LD_AUDIT, LD_LIBRARY_PATH, or empty where the file was changed"),
            Field("value", about="of the variable, or the path of the file"),
            Field("method", about="how the file was changed"),
        ),
    )
    selected = (
        *(Selected("sched_process_exec", f"data.env={name}=") for name in (*PRELOADS, FOLDERS)),
        *changes(FILE),
        Selected("security_file_open", "data.file_name=ld.so.preload", "data.flags=O_WRONLY,O_RDWR"),
    )

    def on_event(self, event: Event) -> None:
        if event.name != "sched_process_exec":
            if not is_in_another_root(event):
                change = change_of(event)
                self.found(event, variable="", value=change.path, method=change.method)
            return
        for name, value in _variables(event):
            if value and self._is_suspicious(event, name, value):
                self.found(event, variable=name, value=value, method="")
                return

    @staticmethod
    def _is_suspicious(event: Event, name: str, value: str) -> bool:
        if name == FOLDERS:
            return any(replaces_libraries(event, folder) for folder in value.replace(";", ":").split(":"))
        libraries = value.replace(":", " ").split()
        return not all(
            os.path.basename(library).startswith(KNOWN) and is_installed_library(library) for library in libraries
        )


def _variables(event: Event) -> Iterator[tuple[str, str]]:
    """Those of the environment that count, in order."""
    told = event.args["env"]
    entries = [str(entry) for entry in told] if told else _environ(event)
    for entry in entries:
        name, _, value = entry.partition("=")
        if name in (*PRELOADS, FOLDERS):
            yield name, value


def _environ(event: Event) -> list[str]:
    """As the process still has it, where the event could not tell."""
    with contextlib.suppress(OSError):
        content = Path(f"/proc/{event.host_pid}/environ").read_bytes()
        return [os.fsdecode(entry) for entry in content.split(b"\0")]
    return []
