"""tracee: Linux runtime security and forensics, where everything is an event.

>>> for event in tracee.trace(events=["execve"], scope=["uid=0"]):
...     print(event.name, event.args["pathname"])
"""

from typing import TYPE_CHECKING

from tracee._core import Event, Process, __version__, unescape
from tracee.errors import InputError, KernelRefusedError, OutputError, PermissionRefusedError, TraceeError

if TYPE_CHECKING:
    from tracee.api import Trace, trace

__all__ = [
    "Event",
    "InputError",
    "KernelRefusedError",
    "OutputError",
    "PermissionRefusedError",
    "Process",
    "Trace",
    "TraceeError",
    "__version__",
    "trace",
    "unescape",
]


def __getattr__(name: str) -> object:
    # the command line starts sooner without what only programs use
    if name in ("Trace", "trace"):
        from tracee import api

        return getattr(api, name)
    raise AttributeError(f"module 'tracee' has no attribute {name!r}")
