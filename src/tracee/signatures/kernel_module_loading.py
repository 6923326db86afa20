"""Code is taken into the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class KernelModuleLoading(Signature):
    """A kernel module was loaded, from a file or from memory."""

    metadata = Metadata(
        id="TRC-1017",
        name="Kernel Module Loading",
        event_name="kernel_module_loading",
        description="A kernel module was loaded. Its code may do anything from then on, and hide what it does.",
        severity=Severity.MEDIUM,
        category="persistence",
        technique_id="T1547.006",
        technique="Kernel Modules and Extensions",
        tags=("linux",),
        fields=(Field("module", about="its name"), Field("pathname", about="the file it came from, where it did")),
    )
    selected = (Selected("module_load"),)

    def on_event(self, event: Event) -> None:
        self.found(event, module=event.args["name"], pathname=event.args["pathname"] or "")
