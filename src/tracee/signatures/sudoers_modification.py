"""Who may become root is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.changes import change_of, changes, is_in_another_root
from tracee.signatures.common.identity import identities, in_root_of, on_host
from tracee.signatures.common.kernel_files import WRITING
from tracee.signatures.common.packages import installs_packages

if TYPE_CHECKING:
    from tracee._core import Event

FILE = "/etc/sudoers"
PLACES = (FILE, "/etc/sudoers.d", "/etc/sudoers.d/*")


class SudoersModification(Signature):
    """/etc/sudoers, or a file of /etc/sudoers.d, written or put in its place; not by packages."""

    metadata = Metadata(
        id="TRC-1028",
        name="Sudoers File Modification",
        event_name="sudoers_modification",
        description="The rules by which sudo lets users become others were changed.",
        severity=Severity.MEDIUM,
        category="privilege-escalation",
        technique_id="T1548.003",
        technique="Sudo and Sudo Caching",
        tags=("linux",),
        fields=(Field("path", about="of the file"), Field("method", about="how it was changed")),
    )
    selected = (
        *changes(*PLACES),
        # under another path: its file system, or the one file, mounted elsewhere
        Selected("security_file_open", "data.file_name=sudoers", WRITING),
    )

    def on_event(self, event: Event) -> None:
        change = change_of(event)
        if change.path.startswith(FILE):
            if installs_packages(event, self.ctx) or is_in_another_root(event):
                return
        elif not self._is_the_file(event):
            return
        self.found(event, path=change.path, method=change.method)

    @staticmethod
    def _is_the_file(event: Event) -> bool:
        known = (*on_host(FILE), in_root_of(event.host_pid, FILE))
        return (event.args["dev"], event.args["inode"]) in identities(known)
