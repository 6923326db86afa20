"""Pods, made through a runtime's Container Runtime Interface as Kubernetes makes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import grpc
import pods_pb2 as proto
from conftest import PATIENCE
from google.protobuf.message import Message
from runtimes import IMAGE

Answer = TypeVar("Answer", bound=Message)


class Pod(NamedTuple):
    """A pod with one container."""

    name: str
    namespace: str
    uid: str
    sandbox: str
    """The id of the container that holds its namespaces."""
    container: str


class Pods:
    """Starts and removes them, through one socket."""

    def __init__(self, socket: Path, version: str = "runtime.v1") -> None:
        self._channel = grpc.insecure_channel(f"unix:{socket}")
        self._version = version
        self._sandboxes: list[str] = []

    def run(
        self, name: str, namespace: str, labels: Mapping[str, str] | None = None, as_kubernetes: bool = True
    ) -> Pod:
        """Starts a pod and in it a container called ``app``.

        Args:
            name: the pod's.
            namespace: Kubernetes' one.
            labels: of the container.
            as_kubernetes: with the labels that name the pod, which only Kubernetes gives.
        """
        uid = f"uid-of-{name}"
        named = {
            "io.kubernetes.pod.name": name,
            "io.kubernetes.pod.namespace": namespace,
            "io.kubernetes.pod.uid": uid,
        }
        given = named if as_kubernetes else {}
        host = proto.NamespaceOption(network=proto.NODE)
        sandbox_config = proto.PodSandboxConfig(
            metadata=proto.PodSandboxMetadata(name=name, uid=uid, namespace=namespace),
            labels=given,
            linux=proto.LinuxPodSandboxConfig(
                security_context=proto.LinuxSandboxSecurityContext(namespace_options=host)
            ),
        )
        sandbox = self._call(
            "RunPodSandbox", proto.RunPodSandboxRequest(config=sandbox_config), proto.RunPodSandboxResponse
        ).pod_sandbox_id
        self._sandboxes.append(sandbox)
        of_container = {"io.kubernetes.container.name": "app"} if as_kubernetes else {}
        config = proto.ContainerConfig(
            metadata=proto.ContainerMetadata(name="app"),
            image=proto.ImageSpec(image=IMAGE),
            labels={**given, **of_container, **(labels or {})},
            linux=proto.LinuxContainerConfig(
                security_context=proto.LinuxContainerSecurityContext(namespace_options=host)
            ),
        )
        container = self._call(
            "CreateContainer",
            proto.CreateContainerRequest(pod_sandbox_id=sandbox, config=config, sandbox_config=sandbox_config),
            proto.CreateContainerResponse,
        ).container_id
        self._call("StartContainer", proto.StartContainerRequest(container_id=container), proto.Nothing)
        return Pod(name, namespace, uid, sandbox, container)

    def close(self) -> None:
        """Removes them all."""
        for sandbox in self._sandboxes:
            self._call("StopPodSandbox", proto.StopPodSandboxRequest(pod_sandbox_id=sandbox), proto.Nothing)
            self._call("RemovePodSandbox", proto.RemovePodSandboxRequest(pod_sandbox_id=sandbox), proto.Nothing)
        self._channel.close()

    def __enter__(self) -> Pods:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        call = self._channel.unary_unary(
            f"/{self._version}.RuntimeService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        told: Answer = call(request, timeout=PATIENCE)
        return told
