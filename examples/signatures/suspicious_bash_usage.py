"""A shell that begins in /tmp: the manual's example, with the comparison that means the file and not its spelling.

On a host where /bin is a link the kernel calls the file /usr/bin/bash, and /bin/sh may be dash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracee.detect import Signature

if TYPE_CHECKING:
    from tracee._core import Event
    from tracee.detect import Context


class SuspiciousBashUsage(Signature):
    """In the plain form: methods and dicts, as in the manual."""

    def init(self, ctx: Context) -> None:
        self.callback = ctx.callback
        self.files = ctx.files

    def get_metadata(self) -> Mapping[str, Any]:
        return {
            "ID": "CUSTOM-001",
            "Version": "1.0.0",
            "Name": "Suspicious Bash Usage",
            "EventName": "suspicious_bash_usage",
            "Description": "A shell began to run in /tmp, where nobody works but programs that were put there.",
            "Tags": ["linux", "container"],
            "Properties": {
                "Severity": 3,
                "Category": "execution",
                "Technique": "T1059",
                "MITRE ATT&CK": "Command and Scripting Interpreter",
            },
        }

    def get_selected_events(self) -> list[Mapping[str, Any]]:
        return [{"Source": "tracee", "Name": "sched_process_exec"}]

    def on_event(self, event: Event) -> None:
        cwd = event.args.get("cwd") or ""
        in_tmp = cwd == "/tmp" or cwd.startswith("/tmp/")
        if in_tmp and self.files.is_file(event, event.args["pathname"], "/bin/bash", "/bin/sh"):
            self.callback({"Event": event, "Data": {"pathname": event.args["pathname"], "cwd": cwd}})
