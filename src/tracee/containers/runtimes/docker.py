"""Docker, by its REST interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tracee.containers.client import client
from tracee.containers.docker_api import DockerApi


@client
class Docker(DockerApi):
    """The daemon of Docker; paths without a version mean its newest."""

    runtimes: ClassVar[tuple[str, ...]] = ("docker",)
    sockets: ClassVar[Mapping[str, str]] = {"/run/docker.sock": "docker", "/var/run/docker.sock": "docker"}

    def greet(self, headers: Mapping[str, str]) -> str | None:
        """Podman answers here, too, and says so."""
        return "docker" if "api-version" in headers and "libpod-api-version" not in headers else None
