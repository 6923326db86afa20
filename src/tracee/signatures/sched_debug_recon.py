"""A container looks at what runs on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Metadata, Severity, Signature
from tracee.signatures.common.identity import identity
from tracee.signatures.common.kernel_files import READING, opened_in_container

if TYPE_CHECKING:
    from tracee._core import Event

DEBUG = "/sys/kernel/debug/sched/debug"


class SchedDebugRecon(Signature):
    """sched_debug of any /proc, or sched/debug of debugfs, opened for reading in a container."""

    metadata = Metadata(
        id="TRC-1029",
        name="Sched Debug Reconnaissance",
        event_name="sched_debug_recon",
        description="A container opened the scheduler's debug file for reading. It lists the processes of the "
        "whole host with their CPUs and cgroups, which tells who is there and how containers are "
        "named.",
        severity=Severity.LOW,
        category="discovery",
        technique_id="T1613",
        technique="Container and Resource Discovery",
        tags=("linux", "container"),
    )
    selected = (
        opened_in_container("PROC_SUPER_MAGIC", "sched_debug", READING),
        opened_in_container("DEBUGFS_MAGIC", "debug", READING),
    )

    def on_event(self, event: Event) -> None:
        if event.args["file_name"] == "sched_debug" or self._is_the_scheduler_s(event):
            self.found(event)

    @staticmethod
    def _is_the_scheduler_s(event: Event) -> bool:
        """Other parts of the kernel call files `debug`, too: then their folder tells. All mounts of debugfs are one."""
        folder, _, name = str(event.args["pathname"]).rpartition("/")
        is_shown_elsewhere = name != "debug" or not folder
        if is_shown_elsewhere or folder.endswith("/sched"):
            return True
        return identity(DEBUG) == (event.args["dev"], event.args["inode"])
