"""What runs when the host starts is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Severity, Signature
from tracee.signatures.common.changes import change_of, changes, is_in_another_root, runs
from tracee.signatures.common.packages import installs_packages

if TYPE_CHECKING:
    from tracee._core import Event

PLACES = (
    "/etc/rc.local",
    "/etc/rc.d",
    "/etc/rc.d/*",
    "/etc/init.d",
    "/etc/init.d/*",
    *(f"/etc/rc{level}.d{rest}" for level in "0123456S" for rest in ("", "/*")),
)
COMMANDS = ("update-rc.d", "chkconfig")


class RcdModification(Signature):
    """A script that init runs is written or put in its place, or the commands run that link them; not by packages."""

    metadata = Metadata(
        id="TRC-1026",
        name="rcd Modification",
        event_name="rcd_modification",
        description="A script that runs as root when the host starts, or one of the links to them, was changed.",
        severity=Severity.MEDIUM,
        category="persistence",
        technique_id="T1037.004",
        technique="RC Scripts",
        tags=("linux",),
        fields=(Field("path", about="of the script, or of the command"), Field("method", about="how it was changed")),
    )
    selected = (*changes(*PLACES), *runs(*COMMANDS))

    def on_event(self, event: Event) -> None:
        if installs_packages(event, self.ctx) or is_in_another_root(event):
            return
        change = change_of(event)
        self.found(event, path=change.path, method=change.method)
