"""A container is about to have the host run a program when a cgroup becomes empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Severity, Signature
from tracee.signatures.common.kernel_files import WRITING, opened_in_container

if TYPE_CHECKING:
    from tracee._core import Event


class CgroupNotifyOnRelease(Signature):
    """notify_on_release of a cgroup, opened for writing in a container."""

    metadata = Metadata(
        id="TRC-106",
        name="Cgroups notify_on_release File Modification",
        event_name="cgroup_notify_on_release",
        description="A container opened a cgroup's notify_on_release for writing. When it is set and the "
        "cgroup becomes empty, the kernel runs the program that release_agent names, on the host "
        "and as root: a known way out.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
    )
    selected = (opened_in_container("CGROUP_SUPER_MAGIC", "notify_on_release", WRITING),)

    def on_event(self, event: Event) -> None:
        self.found(event)
