"""Files that are put in a place, or changed there, by whatever call does that.

What is written need not be opened there: it may be renamed or linked to its place, a symbolic link may lead from
there, or something may be mounted over it. The kernel resolves paths before they are compared, so links, ``..`` and
/proc/self/root change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracee.detect import Selected
from tracee.signatures.common.identity import identities, identity, on_host
from tracee.signatures.common.kernel_files import WRITING

if TYPE_CHECKING:
    from tracee._core import Event

_PATHS = {
    "security_file_open": "pathname",
    "security_inode_rename": "new_path",
    "security_inode_link": "new_path",
    "security_inode_symlink": "linkpath",
    "security_sb_mount": "path",
}
"""The argument of each event that names the place."""
_METHODS = {
    "security_file_open": "opened for writing",
    "security_inode_rename": "renamed",
    "security_inode_link": "linked",
    "security_inode_symlink": "symbolic link",
    "security_sb_mount": "mounted",
}


class Change(NamedTuple):
    """What an event of :func:`changes` or :func:`runs` says."""

    path: str
    """The place, or the command."""
    method: str
    """How: ``opened for writing``, ``renamed``, ``linked``, ``symbolic link``, ``mounted``, ``command``."""


def changes(*paths: str) -> tuple[Selected, ...]:
    """Of everything that changes what stands at one of these paths; a path may have a ``*`` at its start or end."""
    text = ",".join(paths)
    more = {"security_file_open": (WRITING,)}
    return tuple(Selected(name, f"data.{argument}={text}", *more.get(name, ())) for name, argument in _PATHS.items())


def runs(*names: str) -> tuple[Selected, ...]:
    """Of every exec of a program of one of these names, by the path that was asked for or the one that it led to."""
    text = ",".join(f"*/{name}" for name in names)
    return tuple(Selected("sched_process_exec", f"data.{path}={text}") for path in ("pathname", "cmdpath"))


def change_of(event: Event) -> Change:
    """What an event of :func:`changes` or :func:`runs` says."""
    if event.name == "sched_process_exec":
        return Change(str(event.args["cmdpath"] or event.args["pathname"] or ""), "command")
    return Change(str(event.args[_PATHS[event.name]] or ""), _METHODS[event.name])


def is_in_another_root(event: Event) -> bool:
    """Whether a task of the host has a root other than the host's: what it changes is not the host's.

    Images are unpacked and systems are installed so. A bind mount of the host's root is the host's; a process that has
    ended is taken to have had the host's. In containers the question does not arise: theirs is what they change.
    """
    if event.container:
        return False
    own = identity(f"/proc/{event.host_pid}/root")
    hosts = identities(on_host("/"))
    return own is not None and own not in hosts
