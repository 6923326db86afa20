"""A container sets the program that the host runs when a cgroup becomes empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature
from tracee.signatures.common.kernel_files import WRITING, opened_in_container
from tracee.signatures.common.mounts import file_system_at

if TYPE_CHECKING:
    from tracee._core import Event


class CgroupReleaseAgent(Signature):
    """release_agent of a hierarchy of cgroups, opened for writing in a container, or something renamed to it."""

    metadata = Metadata(
        id="TRC-1010",
        name="Cgroups Release Agent File Modification",
        event_name="cgroup_release_agent",
        description="A container opened release_agent of a hierarchy of cgroups for writing, or renamed "
        "something to it. The kernel runs the program that it names on the host and as root: a "
        "known way out.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
    )
    selected = (
        opened_in_container("CGROUP_SUPER_MAGIC", "release_agent", WRITING),
        Selected("security_inode_rename", "container", "data.new_path=*/release_agent"),
    )

    def on_event(self, event: Event) -> None:
        if event.name == "security_file_open" or self._is_among_cgroups(event):
            self.found(event)

    @staticmethod
    def _is_among_cgroups(event: Event) -> bool:
        """A rename does not tell the file system."""
        path = str(event.args["new_path"])
        type_name = file_system_at(event, path)
        return type_name == "cgroup" if type_name is not None else "/cgroup/" in path
