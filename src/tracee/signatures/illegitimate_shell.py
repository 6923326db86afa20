"""A web server starts a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.shells import is_shell

if TYPE_CHECKING:
    from tracee._core import Event

SERVERS = frozenset(
    (
        "apache",
        "apache2",
        "caddy",
        "http-nio",
        "httpd",
        "httpd-foregroun",
        "httpd-foreground",
        "lighttpd",
        "nginx",
        "openresty",
    )
)
"""By the name of the process, or of the file that it ran."""
_THREADS = "http-nio"
"""What Tomcat's threads are called: http-nio-8080-exec-1."""


class IllegitimateShell(Signature):
    """A shell begun in a process that was a web server until then, or whose parent is one."""

    metadata = Metadata(
        id="TRC-1016",
        name="Web Server Spawned a Shell",
        event_name="illegitimate_shell",
        description="A web server started a shell. It serves strangers and has no need of one, but whoever makes it "
        "run commands has.",
        severity=Severity.MEDIUM,
        category="initial-access",
        technique_id="T1190",
        technique="Exploit Public-Facing Application",
        tags=("linux", "container"),
        fields=(Field("server", about="which web server"), Field("path", about="of the shell")),
    )
    selected = (Selected("sched_process_exec"),)

    def on_event(self, event: Event) -> None:
        server = self._server(event)
        if server is not None and is_shell(event, self.ctx):
            self.found(event, server=server, path=event.args["pathname"] or "")

    def _server(self, event: Event) -> str | None:
        """The web server that the shell was started by, or None.

        A process may call itself anything; the file that its parent runs does not change with that.
        """
        name = str(event.args["prev_comm"] or "")
        if name in SERVERS or name.startswith(_THREADS):
            return name
        parent = self.ctx.processes.get(event.host_ppid)
        file = (parent.executable or "").rpartition("/")[2] if parent is not None else ""
        return file if file in SERVERS else None
