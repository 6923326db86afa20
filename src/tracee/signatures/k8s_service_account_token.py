"""A pod's credentials for the Kubernetes API are read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature
from tracee.signatures.common.identity import identities, in_root_of
from tracee.signatures.common.kernel_files import READING
from tracee.signatures.common.programs import runs_installed

if TYPE_CHECKING:
    from tracee._core import Event

TOKEN = re.compile(r"secrets/kubernetes\.io/serviceaccount/.*token$")
PLACES = (
    "/run/secrets/kubernetes.io/serviceaccount/token",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
)
READERS = frozenset(
    ("flanneld", "kube-proxy", "etcd", "kube-apiserver", "coredns", "kube-controller-manager", "kubectl")
)


class K8sServiceAccountToken(Signature):
    """A service account's token was opened for reading in a container, by a program that is not known to need it."""

    metadata = Metadata(
        id="TRC-108",
        name="K8s Service Account Token Use",
        event_name="k8s_service_account_token",
        description="A program in a container opened the token of the pod's service account. With it one "
        "speaks to the Kubernetes API as the pod.",
        severity=Severity.INFO,
        category="credential-access",
        technique_id="T1212",
        technique="Exploitation for Credential Access",
        tags=("linux", "container", "kubernetes"),
        properties=(("Kubernetes_Technique", "Container service account"),),
    )
    selected = (Selected("security_file_open", "container", "data.file_name=*token", READING),)

    def on_event(self, event: Event) -> None:
        if self._is_token(event) and not runs_installed(event, READERS):
            self.found(event)

    @staticmethod
    def _is_token(event: Event) -> bool:
        """By path, or mounted somewhere else: the same file."""
        if TOKEN.search(str(event.args["pathname"])):
            return True
        there = identities(in_root_of(event.host_pid, place) for place in PLACES)
        return (event.args["dev"], event.args["inode"]) in there
