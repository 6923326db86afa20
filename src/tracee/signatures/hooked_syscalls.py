"""System calls were replaced: all of them, as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee import _core
from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class HookedSyscalls(Signature):
    """As hooked_syscall tells them; each finding has all that were found until then."""

    metadata = Metadata(
        id="TRC-1104",
        name="Hooked Syscalls",
        event_name="hooked_syscalls",
        description="System calls lead elsewhere than to the kernel's own functions. The list has all that were "
        "found since tracing began.",
        severity=Severity.CRITICAL,
        category="defense-evasion",
        technique_id="T1014",
        technique="Rootkit",
        tags=("linux",),
        fields=(Field("check_syscalls", "const char**", "the calls that are looked at"),),
    )
    selected = (Selected("hooked_syscall"),)

    def __init__(self) -> None:
        self._hooked: dict[str, dict[str, str]] = {}

    def on_event(self, event: Event) -> None:
        name = str(event.args["syscall"])
        symbol = event.args["function"] or event.args["address"]
        self._hooked[name] = {"name": name, "symbol": symbol, "owner": event.args["owner"] or ""}
        checked = list(_core.call_numbers(compat=False))
        self.found(event, check_syscalls=checked, hooked_syscalls=list(self._hooked.values()))
