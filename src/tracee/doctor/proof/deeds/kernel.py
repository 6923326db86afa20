"""What kernel code does; for most of it a module would have to be loaded, which no proof does."""

from __future__ import annotations

import os
from pathlib import Path

from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.place import CannotBeDoneError, Place
from tracee.doctor.proof.registry import CALL, INT80, Expected, deed, unproven

NEW_NETWORK = 0x40000000


@deed("device_add", by=[CALL, INT80], alone=True)
def unshare_network(place: Place, call: Caller) -> Expected:
    """A new network has a device of its own."""
    call("unshare", NEW_NETWORK)
    return {"name": "lo"}


@deed("debugfs_create_dir", "debugfs_create_file", by=[CALL, INT80], alone=True)
def mount_fuse(place: Place, call: Caller) -> Expected:
    """The kernel shows in debugfs how a mount that nobody serves writes back."""
    folder = place.subfolder()
    device = os.open("/dev/fuse", os.O_RDWR)
    call("mount", "proof", folder, "fuse", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0")
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    number = next(line.split()[2] for line in mounts if line.split()[4] == folder)
    call("umount2", folder, 2)
    return {"name": number, "file_name": "stats"}


@deed("call_usermodehelper", misses="who made the kernel do it", alone=True)
def mount_of_an_unknown_kind(place: Place, call: Caller) -> Expected:
    """The kernel asks for a module that does not exist."""
    loader = Path("/proc/sys/kernel/modprobe")
    if not loader.exists():
        raise CannotBeDoneError("this kernel loads no modules")
    kind = "tracee-proof"
    call.refused("mount", "proof", place.subfolder(), kind, 0, None)
    path = loader.read_text(encoding="utf-8").strip()
    return {"pathname": path, "argv": [path, "-q", "--", f"fs-{kind}"]}


unproven(
    "kernel code alone does it: a module would have to be loaded",
    "module_load",
    "module_free",
    "do_init_module",
    "proc_create",
    "register_chrdev",
)
unproven(
    "the kernel's own tables would have to be changed",
    "hidden_kernel_module",
    "hidden_kernel_module_seeker",
    "hooked_syscall",
    "hooked_seq_ops",
    "hooked_proc_fops",
    "ftrace_hook",
)
