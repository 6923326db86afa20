"""A process is more than it was, and nothing that the kernel allows explains it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.growth import Growth, growth
from tracee.signatures.common.shells import is_shell

if TYPE_CHECKING:
    from tracee._core import Event

INSTALLED = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/var/lib/snapd/")
"""Where set-uid programs are installed. Others are put elsewhere by who wants to come back as root."""
EXECUTED_MAX = 4096


class PrivilegeEscalation(Signature):
    """Credentials that grew by neither an exec nor a permitted call, or by a set-uid program that is not installed."""

    metadata = Metadata(
        id="TRC-1103",
        name="Privilege Escalation",
        event_name="privilege_escalation",
        description="A process got the user id of root, or capabilities, by neither a set-uid program of the system "
        "nor a call that is allowed to give them; or who may become root was changed.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1068",
        technique="Exploitation for Privilege Escalation",
        tags=("linux", "container"),
        fields=(
            Field("way", about="credentials, set-uid program, set-uid shell, or sudoers"),
            Field("path", about="of the program"),
            Field("what", about="what grew"),
        ),
    )
    selected = (
        Selected("commit_creds"),
        Selected("sched_process_exec", "data.inode_mode=S_ISUID"),
        Selected("sudoers_modification", "uid!=0"),
    )

    def __init__(self) -> None:
        self._executed_set_uid: OrderedDict[int, None] = OrderedDict()
        """Processes that have run a set-uid program of late, by host pid."""

    def on_event(self, event: Event) -> None:
        match event.name:
            case "commit_creds":
                what = growth(event.args["old_cred"], event.args["new_cred"])
                if what is not None and not self._is_explained(event, what):
                    self.found(event, way="credentials", path=event.executable or "", what=what.value)
            case "sched_process_exec":
                self._executed(event, event.args)
            case "sudoers_modification":
                self.found(event, way="sudoers", path=event.args["path"], what="")

    def _executed(self, event: Event, args: dict[str, Any]) -> None:
        path = str(args["pathname"] or "")
        if not int(args["inode_mode"] or 0) & stat.S_ISUID:
            return
        self._executed_set_uid[event.host_pid] = None
        if len(self._executed_set_uid) > EXECUTED_MAX:
            self._executed_set_uid.popitem(last=False)
        if is_shell(event, self.ctx):
            self.found(event, way="set-uid shell", path=path, what="uid")
        elif not path.startswith(INSTALLED):
            self.found(event, way="set-uid program", path=path, what="uid")

    def _is_explained(self, event: Event, what: Growth) -> bool:
        """Whether an exec gave it.

        Where the process has ended, its program cannot be looked at: it is taken to have.
        """
        if what in (Growth.NAMESPACE, Growth.USER):
            return False
        if event.host_pid in self._executed_set_uid:
            return True
        program = f"/proc/{event.host_pid}/exe"
        try:
            mode = os.stat(program).st_mode
        except OSError:
            return True
        if mode & (stat.S_ISUID | stat.S_ISGID):
            return True
        with contextlib.suppress(OSError):
            return bool(os.getxattr(program, "security.capability"))
        return False
