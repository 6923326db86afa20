"""What a runtime tells of a container, made fit for events: it is written by whoever starts containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

LABELS = 64
"""Labels kept of a container, the first by name."""
LABELS_CHARACTERS = 4 << 10
"""Characters kept of a container's labels altogether, since each of its events has them; what exceeds that is left
out whole."""
TEXT = 1 << 10
"""Characters kept of a name or an image."""

_POD_NAME = "io.kubernetes.pod.name"
_POD_NAMESPACE = "io.kubernetes.pod.namespace"
_POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
"""The label that Kubernetes gives a container, with its name in the pod."""


@dataclass(frozen=True)
class Metadata:
    """A container as its runtime knows it. What the runtime does not tell is empty."""

    name: str
    """As a person calls it: Docker's and Podman's name, the name in its pod, or the id where it has no other."""
    image: str
    """As it was asked for, such as ``docker.io/library/nginx:1.27``."""
    image_digest: str
    """``sha256:`` and 64 digits: of the image's manifest, or of its configuration where it came from no registry."""
    labels: dict[str, str] = field(default_factory=dict)
    runtime: str = ""
    """``docker``, ``containerd``, ``crio`` or ``podman``."""
    pod_name: str = ""
    pod_namespace: str = ""
    pod_uid: str = ""
    sandbox: bool = False
    """It holds a pod's namespaces and runs nothing of the user's (the ``pause`` container)."""


def text(value: object) -> str:
    """The value where it is text that can be written out, cut at ``TEXT`` characters; else empty.

    JSON can spell halves of surrogate pairs, which no encoding has; they become question marks.
    """
    if not isinstance(value, str):
        return ""
    return value[:TEXT].encode("utf-8", "replace").decode("utf-8")


def labels(given: object) -> dict[str, str]:
    """Those labels that there is room for, by name; what is no mapping of text to text has none."""
    kept: dict[str, str] = {}
    if not isinstance(given, Mapping):
        return kept
    room = LABELS_CHARACTERS
    for key in sorted(key for key in given if isinstance(key, str)):
        value = given[key]
        if not isinstance(value, str) or len(key) > TEXT or len(key) + len(value) > room:
            continue
        room -= len(key) + len(value)
        kept[text(key)] = value.encode("utf-8", "replace").decode("utf-8")
        if len(kept) == LABELS:
            break
    return kept


class Pod(NamedTuple):
    """What ``Metadata`` says of a pod."""

    pod_name: str
    pod_namespace: str
    pod_uid: str


def pod_of(given: Mapping[str, str]) -> Pod:
    """What the labels that Kubernetes gives containers and sandboxes say of their pod."""
    return Pod(text(given.get(_POD_NAME)), text(given.get(_POD_NAMESPACE)), text(given.get(_POD_UID)))


def digest_of(reference: object) -> str:
    """The digest in ``docker.io/library/nginx@sha256:...``, or in what is a digest itself; else empty."""
    _, _, digest = text(reference).rpartition("@")
    return digest if digest.startswith("sha256:") else ""
