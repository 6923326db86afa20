"""Mounts, in a namespace of their own."""

from __future__ import annotations

from tracee.doctor.proof.calls import AT_FDCWD, Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import INT80, Expected, deed

BIND, DETACH = 0x1000, 2


@deed("security_sb_mount", alone=True)
def mount(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("mount", "proof", folder, "tmpfs", 0, None)
    return {"dev_name": "proof", "path": folder, "type": "tmpfs"}


@deed("security_sb_mount", alone=True)
def mount_bind(place: Place, call: Caller) -> Expected:
    source, folder = place.subfolder("source"), place.subfolder()
    call("mount", source, folder, None, BIND, None)
    return {"dev_name": source, "path": folder, "flags": BIND}


@deed("security_sb_mount", misses="fsmount", alone=True)
def move_mount(place: Place, call: Caller) -> Expected:
    """By the newer calls, of which mount is none."""
    folder = place.subfolder()
    create, from_descriptor = 6, 4
    context = call("fsopen", "tmpfs", 0)
    call("fsconfig", context, create, None, None, 0)
    call("move_mount", call("fsmount", context, 0, 0), "", AT_FDCWD, folder, from_descriptor)
    return {"path": folder}


@deed("security_sb_mount", misses="open_tree", alone=True)
def move_mount_of_a_tree(place: Place, call: Caller) -> Expected:
    """As a bind mount."""
    source, folder = place.subfolder("source"), place.subfolder()
    clone, from_descriptor = 1, 4
    call("move_mount", call("open_tree", AT_FDCWD, source, clone), "", AT_FDCWD, folder, from_descriptor)
    return {"path": folder}


@deed("security_sb_umount", alone=True)
def umount2(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("mount", "proof", folder, "tmpfs", 0, None)
    call("umount2", folder, DETACH)
    return {"mountpoint": folder, "type": "tmpfs", "flags": DETACH}


@deed("security_sb_umount", by=[INT80], alone=True)
def umount(place: Place, call: Caller) -> Expected:
    folder = place.subfolder()
    call("mount", "proof", folder, "tmpfs", 0, None)
    call("umount", folder)
    return {"mountpoint": folder, "type": "tmpfs", "flags": 0}
