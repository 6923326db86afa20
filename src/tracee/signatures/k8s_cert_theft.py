"""The keys of a Kubernetes cluster are read or moved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tracee.detect import Metadata, Selected, Severity, Signature
from tracee.signatures.common.identity import identities, on_host
from tracee.signatures.common.kernel_files import READING
from tracee.signatures.common.programs import runs_installed

if TYPE_CHECKING:
    from tracee._core import Event

FOLDER = "/etc/kubernetes/pki"
OWNERS = frozenset(("kube-apiserver", "kubelet", "kube-controller-manager", "etcd", "kubeadm"))
KINDS = "data.file_name=*.key,*.crt,*.pem,*.pub,*.p12"
"""What keys and certificates are called. Every open of the machine is held against this, so it is the name alone that
tells most of them apart: a path costs the kernel ten times as much."""
FILES_MAX = 1000


class K8sCertTheft(Signature):
    """A key or certificate below /etc/kubernetes/pki was opened, moved or linked by who is not the cluster's."""

    metadata = Metadata(
        id="TRC-1018",
        name="K8s TLS Certificate Theft Detected",
        event_name="k8s_cert_theft",
        description="A program that is not the cluster's own read or moved what is kept below "
        "/etc/kubernetes/pki. With the keys there one is whoever one likes to the cluster.",
        severity=Severity.HIGH,
        category="credential-access",
        technique_id="T1528",
        technique="Steal Application Access Token",
        tags=("linux", "kubernetes"),
    )
    selected = (
        Selected("security_file_open", f"data.pathname={FOLDER}/*", KINDS, READING),
        # keys by another path: hard links, bind mounts, a container's mount of the folder
        Selected("security_file_open", "data.file_name=*.key", READING),
        Selected("security_inode_rename", f"data.old_path={FOLDER}/*,{FOLDER},/etc/kubernetes"),
        Selected("security_inode_link", f"data.old_path={FOLDER}/*"),
    )

    def on_event(self, event: Event) -> None:
        if not runs_installed(event, OWNERS) and (event.name != "security_file_open" or self._is_cluster_s(event)):
            self.found(event)

    @staticmethod
    def _is_cluster_s(event: Event) -> bool:
        if event.args["flags"] & os.O_DIRECTORY:
            return False
        if str(event.args["pathname"]).startswith(f"{FOLDER}/"):
            return True
        return (event.args["dev"], event.args["inode"]) in keys_of_host()


def keys_of_host() -> set[tuple[int, int]]:
    """Device and inode of each file below the host's folder."""
    found: set[tuple[int, int]] = set()
    for top in on_host(FOLDER):
        for folder, _, names in os.walk(top):
            found |= identities(os.path.join(folder, name) for name in names[: FILES_MAX - len(found)])
    return found
