"""The dynamic loader is changed: whoever does that is in every program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.changes import change_of, changes, is_in_another_root
from tracee.signatures.common.identity import identities, in_root_of
from tracee.signatures.common.kernel_files import WRITING
from tracee.signatures.common.packages import installs_packages

if TYPE_CHECKING:
    from tracee._core import Event

FOLDERS = ("/lib/*", "/lib32/*", "/lib64/*", "/libx32/*", "/usr/lib/*", "/usr/lib32/*", "/usr/lib64/*", "/usr/libx32/*")
LOADER = re.compile(r"/(?:usr/)?lib(?:32|64|x32)?/(?:.*/)?ld(?:64|-[^/]*)?\.so[^/]*")
NAMES = re.compile(r"ld(?:64|-[^/]*)?\.so[^/]*")
USUAL = (
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux.so.2",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
)


class DefaultLoaderMod(Signature):
    """A dynamic loader opened for writing, or something put in its place, other than by a package manager."""

    metadata = Metadata(
        id="TRC-1012",
        name="Default Loader Modification",
        event_name="default_loader_mod",
        description="The dynamic loader was opened for writing or replaced. It runs in every program that is not "
        "linked statically, before anything of the program's own.",
        severity=Severity.HIGH,
        category="defense-evasion",
        technique_id="T1574",
        technique="Hijack Execution Flow",
        tags=("linux", "container"),
        fields=(Field("path", about="of the loader"), Field("method", about="how it was changed")),
    )
    selected = (
        *changes(*FOLDERS),
        # under another path: the file system, or the one file, mounted elsewhere
        Selected("security_file_open", "data.file_name=ld-*,ld.so*,ld64.so*", WRITING),
        # another name, by which it could be written to
        Selected("security_inode_link", "data.old_path=*.so,*.so.1,*.so.2"),
    )

    def on_event(self, event: Event) -> None:
        change = change_of(event)
        if self._is_loader(event, change.path) and not self._is_honest(event):
            self.found(event, path=change.path, method=change.method)

    @staticmethod
    def _is_loader(event: Event, path: str) -> bool:
        if LOADER.fullmatch(path):
            return True
        if event.name == "security_inode_link":
            return bool(LOADER.fullmatch(str(event.args["old_path"] or "")))
        if event.name != "security_file_open" or not NAMES.fullmatch(str(event.args["file_name"] or "")):
            return False
        usual = (name for path in USUAL for name in (path, in_root_of(event.host_pid, path)))
        return (event.args["dev"], event.args["inode"]) in identities(usual)

    def _is_honest(self, event: Event) -> bool:
        return installs_packages(event, self.ctx) or is_in_another_root(event)
