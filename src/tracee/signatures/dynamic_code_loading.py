"""Memory that was written to is made code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.programs import runs_installed

if TYPE_CHECKING:
    from tracee._core import Event

COMPILERS = frozenset(
    (
        "beam.smp",
        "chrome",
        "chromium",
        "code",
        "dotnet",
        "firefox",
        "firefox-esr",
        "gjs",
        "gjs-console",
        "java",
        "julia",
        "luajit",
        "mono",
        "mono-sgen",
        "node",
        "nodejs",
        "postgres",
        "pypy3",
        "qemu-aarch64-static",
        "qemu-system-aarch64",
        "qemu-system-x86_64",
        "qemu-x86_64-static",
        "thunderbird",
    )
)
"""Programs that compile while they run, by their files' names."""
FOLDERS = ("/usr/", "/opt/", "/bin/", "/snap/")
"""Where only who installs software writes to."""


class DynamicCodeLoading(Signature):
    """Memory that lost the permission to be written and got that to be executed, in a program that is no compiler."""

    metadata = Metadata(
        id="TRC-104",
        name="Dynamic Code Loading",
        event_name="dynamic_code_loading",
        description="Memory that could be written was made executable. Programs that are packed, or get code from "
        "elsewhere, run it so.",
        severity=Severity.MEDIUM,
        category="defense-evasion",
        technique_id="T1027.002",
        technique="Software Packing",
        tags=("linux", "container"),
        fields=(
            Field("addr", "void*", "where"),
            Field("len", "unsigned long", "how much"),
            Field("path", about="of the file that is mapped there"),
        ),
    )
    selected = (Selected("mem_prot_alert", "data.alert=ALERT_MPROT_W_REM"),)

    def on_event(self, event: Event) -> None:
        if not self._compiles(event):
            self.found(event, addr=event.args["addr"], len=event.args["len"], path=event.args["pathname"] or "")

    @staticmethod
    def _compiles(event: Event) -> bool:
        if runs_installed(event, COMPILERS):
            return True
        executable = event.executable or ""
        return executable.startswith(FOLDERS) and executable.rpartition("/")[2] in COMPILERS
