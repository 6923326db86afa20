"""What can go wrong that a user can mend. Each error is one line: what, where, and the nearest right word."""

from __future__ import annotations


class TraceeError(Exception):
    """Base of all errors that tracee raises on purpose."""


class InputError(TraceeError):
    """Something that was asked for is wrong: an unknown event, a field no event has, a number out of range."""


class OutputError(TraceeError):
    """A place that events should go to cannot be opened, or stopped taking them."""


class KernelRefusedError(TraceeError):
    """The kernel does not let us trace."""


class PermissionRefusedError(KernelRefusedError):
    """... because a privilege is missing."""
