"""Whether credentials grew, and what would explain it."""

from __future__ import annotations

import enum
from collections.abc import Mapping

CAP_SETUID = 1 << 7
INITIAL_USER_NS = 0xEFFFFFFD
"""The inode number of the host's user namespace, the same on all kernels."""

Credentials = Mapping[str, int]
"""As ``old_cred`` and ``new_cred`` of commit_creds."""


class Growth(enum.Enum):
    """What became more, so that it must be explained."""

    NAMESPACE = "user namespace"
    """Back into the host's: nothing that the kernel allows explains it."""
    USER = "uid"
    """The real user became root: nothing that the kernel allows explains it at one go."""
    EFFECTIVE_USER = "euid"
    """As by a set-uid program."""
    CAPABILITIES = "capabilities"
    """As by a program whose file has capabilities."""


def growth(old: Credentials, new: Credentials) -> Growth | None:
    """What grew from some credentials to the next ones; None: nothing, or what the old ones had allowed.

    Who is root, or may set user ids, may become anybody by a call. Who enters a user namespace of its own is all-
    powerful there, and nothing more elsewhere.
    """
    if new["user_ns"] != old["user_ns"]:
        return Growth.NAMESPACE if new["user_ns"] == INITIAL_USER_NS else None
    if 0 in (old["uid"], old["euid"], old["suid"]) or old["cap_effective"] & CAP_SETUID:
        return None
    if new["uid"] == 0:
        return Growth.USER
    if 0 in (new["euid"], new["suid"], new["fsuid"]):
        return Growth.EFFECTIVE_USER
    if new["cap_permitted"] & ~old["cap_permitted"]:
        return Growth.CAPABILITIES
    return None
