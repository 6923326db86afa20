"""A way out of a container, whichever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.cgroups import cgroup_of
from tracee.signatures.common.kernel_files import WRITING, opened_in_container
from tracee.signatures.common.sockets import OTHERS, connects_to

if TYPE_CHECKING:
    from tracee._core import Event

RECOGNISED = (
    "cgroup_notify_on_release",
    "cgroup_release_agent",
    "core_pattern_modification",
    "disk_mount",
    "docker_abuse",
    "proc_kcore_read",
    "system_request_key_mod",
)
"""Detections each of which is an escape."""
HELPERS = {
    "modprobe": "modprobe_path",
    "uevent_helper": "uevent_helper",
    "register": "binfmt_misc",
}
"""More files that name a program for the kernel to run on the host, by name."""
MEMBERS = ("cgroup.procs", "cgroup.threads", "tasks")
"""What a task is written to that is to be moved to the cgroup."""
NAMESPACES = ("mnt", "pid", "uts", "ipc", "cgroup")
"""All but net: agents of container networks go to and fro between the host's and those of pods."""


class ContainerEscape(Signature):
    """One of the known ways, or a task in a container that enters the host's namespaces."""

    metadata = Metadata(
        id="TRC-1101",
        name="Container Escape",
        event_name="container_escape",
        description="A task in a container took a known way out: to the host's namespaces, cgroups, disks or memory, "
        "to the socket of its container runtime, to a file by its handle, or to what the kernel runs on the "
        "host.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
        fields=(Field("way", about="the detection that recognised it, or what was done"),),
    )
    selected = (
        *(Selected(name) for name in RECOGNISED),
        Selected("init_namespaces"),
        Selected("switch_task_ns", "container"),
        Selected("open_by_handle_at", "container", "retval>=0"),
        Selected("security_socket_connect", "container"),
        opened_in_container("PROC_SUPER_MAGIC", "modprobe", WRITING),
        opened_in_container("SYSFS_MAGIC", "uevent_helper", WRITING),
        opened_in_container("BINFMTFS_MAGIC", "register", WRITING),
        opened_in_container("CGROUP_SUPER_MAGIC,CGROUP2_SUPER_MAGIC", ",".join(MEMBERS), WRITING),
    )

    def __init__(self) -> None:
        self._host: dict[str, int] = {}
        for name in NAMESPACES:
            try:
                self._host[name] = os.stat(f"/proc/1/ns/{name}").st_ino
            except OSError:  # then init_namespaces says
                continue

    def on_event(self, event: Event) -> None:
        way = self._way(event)
        if way:
            self.found(event, way=way)

    def _way(self, event: Event) -> str | None:
        match event.name:
            case "init_namespaces":
                self._host = {name: event.args[name] for name in NAMESPACES}
                return None
            case "switch_task_ns":
                entered = [name for name in NAMESPACES if self._enters(event, name)]
                return "setns:" + ",".join(entered) if entered else None
            case "security_socket_connect":
                return "runtime_socket" if connects_to(event, OTHERS) else None
            case "security_file_open":
                name = str(event.args["file_name"])
                return self._leaves(event, name) if name in MEMBERS else HELPERS[name]
        return event.name

    @staticmethod
    def _leaves(event: Event, name: str) -> str | None:
        """Whether a cgroup that tasks may now be moved to is none of the container's."""
        cgroup = cgroup_of(event.args["dev"], event.args["inode"], name)
        if cgroup is None or event.container.get("id", "") in cgroup:
            return None
        return f"cgroup:{cgroup}"

    def _enters(self, event: Event, name: str) -> bool:
        number = event.args[f"new_{name}"]
        return bool(number) and number == self._host.get(name)
