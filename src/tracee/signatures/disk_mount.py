"""A container mounts one of the host's disks."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature
from tracee.signatures.common.mounts import needs_a_device

if TYPE_CHECKING:
    from tracee._core import Event

BEGUN_MAX = 1024


class DiskMount(Signature):
    """A file system that needs a block device was mounted in a container, by mount or by fsopen and fsconfig.

    The type of the file system decides, not the name of the device: that may be any node with the disk's numbers.
    """

    metadata = Metadata(
        id="TRC-1014",
        name="Container Device Mount",
        event_name="disk_mount",
        description="A container mounted a block device. With a disk of the host it has the host's files, "
        "whatever permissions they have.",
        severity=Severity.HIGH,
        category="privilege-escalation",
        technique_id="T1611",
        technique="Escape to Host",
        tags=("linux", "container"),
        fields=(
            Field("device", about="as it was named; empty where fsconfig was told"),
            Field("type", about="of the file system"),
        ),
    )
    selected = (
        Selected(
            "security_sb_mount",
            "container",
            "data.flags!=MS_BIND,MS_REMOUNT,MS_MOVE,MS_SHARED,MS_PRIVATE,MS_SLAVE,MS_UNBINDABLE",
        ),
        Selected("fsopen", "container", "retval>=0"),
        Selected("fsconfig", "container", "data.cmd=FSCONFIG_CMD_CREATE,FSCONFIG_CMD_CREATE_EXCL", "retval=0"),
    )

    def __init__(self) -> None:
        self._begun: OrderedDict[tuple[str, int, int], str] = OrderedDict()
        """Types of file systems that are being set up, by container, process and descriptor."""

    def on_event(self, event: Event) -> None:
        match event.name:
            case "security_sb_mount":
                device, type_name = str(event.args["dev_name"] or ""), str(event.args["type"] or "")
                if type_name and needs_a_device(type_name, device):
                    self.found(event, device=device, type=type_name)
            case "fsopen":
                self._begin(event)
            case "fsconfig":
                self._created(event)

    def _begin(self, event: Event) -> None:
        key = event.container.get("id", ""), event.host_pid, event.return_value
        self._begun.pop(key, None)
        self._begun[key] = str(event.args["fsname"] or "")
        if len(self._begun) > BEGUN_MAX:
            self._begun.popitem(last=False)

    def _created(self, event: Event) -> None:
        container = event.container.get("id", "")
        key = container, event.host_pid, int(event.args["fs_fd"])
        # else the descriptor was duplicated, or handed to another process
        candidates = [key] if key in self._begun else [other for other in self._begun if other[0] == container]
        on_disks = [other for other in candidates if needs_a_device(self._begun[other])]
        if on_disks:
            self.found(event, device="", type=self._begun.pop(on_disks[-1]))
        elif key in self._begun:
            del self._begun[key]
