"""containerd by its own interface: what ``ctr`` and ``nerdctl`` start, in each of its namespaces."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from tracee.containers.client import Client, NonsenseError, Question, client
from tracee.containers.metadata import CONTAINER_NAME, Metadata, digest_of, labels, pod_of, text

if TYPE_CHECKING:
    from tracee.containers.proto import containerd_pb2 as proto
    from tracee.containers.rpc import Answer, Channel, Request

_CONTAINERS = "/containerd.services.containers.v1.Containers/"
_IMAGES = "/containerd.services.images.v1.Images/"
_NAMESPACES = "/containerd.services.namespaces.v1.Namespaces/"
_VERSION = "/containerd.services.version.v1.Version/Version"

_NAMESPACE = re.compile(r"[A-Za-z0-9._-]+")
"""What can be a namespace, and be sent in a header."""
NAMESPACES = 64
"""Namespaces that are looked into."""
_NAMESPACES_LAST = 10.0
"""Seconds for which the list of namespaces is taken to be as it was, unless a cgroup names another."""


@client
class Containerd(Client):
    """Finds containers by id in all namespaces at once."""

    runtimes: ClassVar[tuple[str, ...]] = ("containerd",)
    sockets: ClassVar[Mapping[str, str]] = {
        "/run/containerd/containerd.sock": "containerd",
        "/run/k3s/containerd/containerd.sock": "containerd",
        "/run/k0s/containerd.sock": "containerd",
        "/run/docker/containerd/containerd.sock": "containerd",
        "/var/snap/microk8s/common/run/containerd.sock": "containerd",
    }
    libraries: ClassVar[tuple[str, ...]] = ("tracee.containers.rpc", "tracee.containers.proto.containerd_pb2")
    family: ClassVar[int] = 1
    rank: ClassVar[int] = 0

    _channel: Channel | None = None
    _namespaces: tuple[str, ...] = ()
    _listed = float("-inf")

    async def open(self) -> str:
        """Asks for containerd's version, which no other runtime answers."""
        from tracee.containers.proto import containerd_pb2 as proto
        from tracee.containers.rpc import Channel

        if self._channel is None:
            self._channel = Channel(self.path)
        await self._call(_VERSION, proto.Empty(), proto.VersionResponse)
        return "containerd"

    async def find(self, question: Question) -> Metadata | None:
        """The container of this id; where several namespaces have one, that of the namespace in the cgroup's path."""
        from asyncio import gather

        named = _namespace_in(question)
        namespaces = await self._all_namespaces(named)
        # asked all at once: an id is rarely in more than one, and answers come in well under a millisecond
        found = await gather(*(self._get(namespace, question.id) for namespace in namespaces))
        here = {namespace: metadata for namespace, metadata in zip(namespaces, found, strict=True) if metadata}
        return here.get(named) or next(iter(here.values()), None)

    async def all(self) -> dict[str, Metadata]:
        """The containers of all namespaces; an id that two have is told once."""
        every: dict[str, Metadata] = {}
        for namespace in await self._all_namespaces():
            every.update(await self._list(namespace))
        return every

    async def close(self) -> None:
        """Disconnects."""
        if self._channel is not None:
            await self._channel.close()

    async def _call(self, method: str, request: Request, answer: type[Answer], namespace: str = "") -> Answer | None:
        assert self._channel is not None
        metadata = (("containerd-namespace", namespace),) if namespace else ()
        return await self._channel.call(method, request, answer, metadata)

    async def _all_namespaces(self, named: str = "") -> tuple[str, ...]:
        from tracee.containers.proto import containerd_pb2 as proto

        stale = time.monotonic() - self._listed > _NAMESPACES_LAST
        if stale or (named and named not in self._namespaces):
            answer = await self._call(_NAMESPACES + "List", proto.Empty(), proto.ListNamespacesResponse)
            if answer is None:
                raise NonsenseError(f"{self.path}: containerd says that it has no namespaces")
            # by name first the one that is asked about, which so is never among those cut off
            names = sorted(
                (one.name for one in answer.namespaces if _NAMESPACE.fullmatch(one.name)),
                key=lambda name: (name != named, name),
            )
            self._namespaces = tuple(names[:NAMESPACES])
            self._listed = time.monotonic()
        return self._namespaces

    async def _get(self, namespace: str, id: str) -> Metadata | None:
        from tracee.containers.proto import containerd_pb2 as proto

        answer = await self._call(
            _CONTAINERS + "Get", proto.GetContainerRequest(id=id), proto.GetContainerResponse, namespace
        )
        if answer is None:
            return None
        name = answer.container.image
        image = name and await self._call(
            _IMAGES + "Get", proto.GetImageRequest(name=name), proto.GetImageResponse, namespace
        )
        return _metadata(answer.container, image.image.target.digest if image else "")

    async def _list(self, namespace: str) -> dict[str, Metadata]:
        from asyncio import gather

        from tracee.containers.proto import containerd_pb2 as proto

        containers, images = await gather(
            self._call(_CONTAINERS + "List", proto.Empty(), proto.ListContainersResponse, namespace),
            self._call(_IMAGES + "List", proto.Empty(), proto.ListImagesResponse, namespace),
        )
        digests = {image.name: image.target.digest for image in images.images} if images else {}
        return (
            {one.id: _metadata(one, digests.get(one.image, "")) for one in containers.containers} if containers else {}
        )


def _namespace_in(question: Question) -> str:
    """The part of a cgroup's path before the container's id: containerd calls cgroups ``/namespace/id``."""
    parts = [part for part in question.cgroup_path.split("/") if part]
    return parts[-2] if len(parts) == 2 and parts[-1] == question.id else ""


def _metadata(container: proto.Container, digest: str) -> Metadata:
    given = container.labels
    pod = pod_of(given)
    sandbox = given.get("io.cri-containerd.kind") == "sandbox"
    name = given.get(CONTAINER_NAME) or given.get("nerdctl/name") or (pod.pod_name if sandbox else "")
    return Metadata(
        name=text(name or container.id),
        image=text(container.image),
        image_digest=digest_of(digest),
        labels=labels(given),
        runtime="containerd",
        sandbox=sandbox,
        **pod._asdict(),
    )
