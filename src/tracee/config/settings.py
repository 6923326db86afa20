"""All that a run needs, wherever it was said."""

from __future__ import annotations

from typing import NamedTuple

from tracee.capture import CaptureSettings
from tracee.container_settings import ContainerSettings
from tracee.events import DEFAULT
from tracee.kernel import KernelSettings
from tracee.log import LogSettings
from tracee.output import OutputSettings
from tracee.privileges import PrivilegeSettings
from tracee.server.settings import ServerSettings


class Settings(NamedTuple):
    """All that a run needs, wherever it was said."""

    events: tuple[str, ...] = (DEFAULT,)
    """Empty: what the policies name, and nothing else."""
    scope: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    watch_policies: bool = False
    """Files and folders."""
    output: OutputSettings = OutputSettings()
    kernel: KernelSettings = KernelSettings()
    containers: ContainerSettings = ContainerSettings()
    capture: CaptureSettings = CaptureSettings()
    signature_folders: tuple[str, ...] = ()
    """Folders of own signatures."""
    privileges: PrivilegeSettings = PrivilegeSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    stats: bool = False
    origins: tuple[tuple[str, str], ...] = ()
    """Where events, scopes and filters were said that are not of the command line: word and place."""
    remarks: tuple[str, ...] = ()
    """What is to be told of where settings come from."""
