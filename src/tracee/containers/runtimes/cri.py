"""The Container Runtime Interface of Kubernetes: CRI-O, and the containers of pods that containerd runs."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from tracee.containers.client import Client, NotThisRuntimeError, Question, client
from tracee.containers.metadata import Metadata, Pod, digest_of, labels, pod_of, text

if TYPE_CHECKING:
    from tracee.containers.proto import cri_pb2 as proto
    from tracee.containers.rpc import Answer, Channel, Request

PODS = 1024
"""Pods that are remembered, by their sandboxes."""
VERSIONS = ("runtime.v1", "runtime.v1alpha2")
"""As the services are called; what tracee reads is the same in both."""
_NAMES = {"cri-o": "crio"}


@client
class Cri(Client):
    """Knows pods, which containerd's own interface does not, and names of images that Kubernetes asks for by id."""

    runtimes: ClassVar[tuple[str, ...]] = ("crio", "containerd")
    sockets: ClassVar[Mapping[str, str]] = {"/run/crio/crio.sock": "crio", "/var/run/crio/crio.sock": "crio"}
    libraries: ClassVar[tuple[str, ...]] = ("tracee.containers.rpc", "tracee.containers.proto.cri_pb2")
    family: ClassVar[int] = 1
    rank: ClassVar[int] = 1

    _channel: Channel | None = None

    async def open(self) -> str:
        """Asks for the version, of the newer services first."""
        from tracee.containers.proto import cri_pb2 as proto
        from tracee.containers.rpc import Channel

        if self._channel is None:
            self._channel = Channel(self.path)
            self._pods: OrderedDict[str, Pod] = OrderedDict()
        for version in VERSIONS:
            method = f"/{version}.RuntimeService/Version"
            try:
                told = await self._channel.call(method, proto.VersionRequest(), proto.VersionResponse)
            except NotThisRuntimeError:
                continue
            self._version = version
            name = text(told.runtime_name).lower() if told else ""
            self._runtime = _NAMES.get(name, name)
            return self._runtime
        raise NotThisRuntimeError("it has no Container Runtime Interface")

    async def find(self, question: Question) -> Metadata | None:
        """The container of this id, or the sandbox."""
        from asyncio import gather

        from tracee.containers.proto import cri_pb2 as proto

        listed, told, sandbox = await gather(
            self._call(
                "RuntimeService/ListContainers",
                proto.ListContainersRequest(filter=proto.ContainerFilter(id=question.id)),
                proto.ListContainersResponse,
            ),
            self._call(
                "RuntimeService/ContainerStatus",
                proto.ContainerStatusRequest(container_id=question.id),
                proto.ContainerStatusResponse,
            ),
            self._sandbox(question.id),
        )
        container = next((one for one in listed.containers if one.id == question.id), None) if listed else None
        if container is not None:
            # the list has what was asked for, often an image's id; the status has a name and the manifest's digest
            status = told.status if told else proto.ContainerStatus()
            image = _asked_for(container.image) or status.image.image or container.image.image
            digest = digest_of(status.image_ref) or digest_of(container.image_ref)
            return self._container(container, await self._pod_of(container), image, digest)
        if sandbox is not None and sandbox.id == question.id:
            return self._of_sandbox(sandbox)
        return None

    async def all(self) -> dict[str, Metadata]:
        """The sandboxes and containers that there are, whether they run or not."""
        from asyncio import gather

        from tracee.containers.proto import cri_pb2 as proto

        containers, sandboxes, images = await gather(
            self._call("RuntimeService/ListContainers", proto.ListContainersRequest(), proto.ListContainersResponse),
            self._call("RuntimeService/ListPodSandbox", proto.ListPodSandboxRequest(), proto.ListPodSandboxResponse),
            self._call("ImageService/ListImages", proto.ListImagesRequest(), proto.ListImagesResponse),
        )
        by_id = {image.id: image for image in images.images} if images else {}
        pods = {one.id: _pod(one.metadata) for one in sandboxes.items} if sandboxes else {}
        told = {one.id: self._of_sandbox(one) for one in sandboxes.items} if sandboxes else {}
        for one in containers.containers if containers else ():
            known = by_id.get(one.image_ref, proto.Image())
            image = _asked_for(one.image) or next(iter(known.repo_tags), "") or one.image.image
            digest = next(map(digest_of, known.repo_digests), "") or digest_of(one.image_ref)
            pod = pods.get(one.pod_sandbox_id) or pod_of(one.labels)
            told[one.id] = self._container(one, pod, image, digest)
        return told

    async def close(self) -> None:
        """Disconnects."""
        if self._channel is not None:
            await self._channel.close()

    async def _call(self, method: str, request: Request, answer: type[Answer]) -> Answer | None:
        assert self._channel is not None
        return await self._channel.call(f"/{self._version}.{method}", request, answer)

    async def _sandbox(self, id: str) -> proto.PodSandboxStatus | None:
        from tracee.containers.proto import cri_pb2 as proto

        told = await self._call(
            "RuntimeService/PodSandboxStatus",
            proto.PodSandboxStatusRequest(pod_sandbox_id=id),
            proto.PodSandboxStatusResponse,
        )
        return told.status if told else None

    async def _pod_of(self, container: proto.Container) -> Pod:
        """The pod by the container's labels, or by its sandbox: not all who make containers give them those labels."""
        pod = pod_of(container.labels)
        if pod.pod_uid:
            return pod
        sandbox = container.pod_sandbox_id
        if sandbox not in self._pods:
            found = await self._sandbox(sandbox) if sandbox else None
            if found is None:
                return pod
            self._pods[sandbox] = _pod(found.metadata)
            while len(self._pods) > PODS:
                self._pods.popitem(last=False)
        return self._pods[sandbox]

    def _container(self, one: proto.Container, pod: Pod, image: str, digest: str) -> Metadata:
        return Metadata(
            name=text(one.metadata.name),
            image=text(image),
            image_digest=digest,
            labels=labels(one.labels),
            runtime=self._runtime,
            **pod._asdict(),
        )

    def _of_sandbox(self, one: proto.PodSandboxStatus | proto.PodSandbox) -> Metadata:
        return Metadata(
            name=text(one.metadata.name),
            image="",
            image_digest="",
            labels=labels(one.labels),
            runtime=self._runtime,
            sandbox=True,
            **_pod(one.metadata)._asdict(),
        )


def _pod(pod: proto.PodSandboxMetadata) -> Pod:
    return Pod(text(pod.name), text(pod.namespace), text(pod.uid))


def _asked_for(image: proto.ImageSpec) -> str:
    """The name that the image was asked for by; empty: it was by an id, as by Kubernetes once it has pulled it."""
    name = image.user_specified_image or image.image
    return "" if re.fullmatch(r"(sha256:)?[0-9a-f]{64}", name) else name
