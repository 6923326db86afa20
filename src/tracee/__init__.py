"""tracee: Linux runtime security and forensics, where everything is an event.

>>> for event in tracee.trace(events=["execve"], scope=["uid=0"]):
...     print(event.name, event.args["pathname"])
"""

from tracee._core import Event, __version__
from tracee.api import Trace, trace
from tracee.errors import InputError, KernelRefusedError, OutputError, TraceeError
from tracee.text import unescape

__all__ = [
    "Event",
    "InputError",
    "KernelRefusedError",
    "OutputError",
    "Trace",
    "TraceeError",
    "__version__",
    "trace",
    "unescape",
]
