"""Podman, by its own REST interface: the one that it has in common with Docker leaves its pods out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from tracee.containers.client import client
from tracee.containers.docker_api import DockerApi
from tracee.containers.metadata import Metadata, text


@client
class Podman(DockerApi):
    """Podman's service. Its pods are not Kubernetes': where no label says more, a pod's uid is its id."""

    runtimes: ClassVar[tuple[str, ...]] = ("podman",)
    sockets: ClassVar[Mapping[str, str]] = {"/run/podman/podman.sock": "podman"}

    def greet(self, headers: Mapping[str, str]) -> str | None:
        """It serves no paths without a version; its own is always among those that it serves."""
        version = re.match(r"\d+\.\d+\.\d+", headers.get("libpod-api-version", ""))
        if version is None:
            return None
        self.prefix = f"/v{version[0]}/libpod"
        return "podman"

    def metadata(self, one: Mapping[str, object], digest: str) -> Metadata:
        """A container of a list."""
        told = super().metadata(one, digest)
        return replace(
            told,
            pod_name=told.pod_name or text(one.get("PodName")),
            pod_uid=told.pod_uid or text(one.get("Pod")),
            sandbox=one.get("IsInfra") is True,
        )
