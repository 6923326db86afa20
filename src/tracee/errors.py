"""What can go wrong that a user can mend. Each error is a line: what, where, and the nearest right word."""

from __future__ import annotations


class TraceeError(Exception):
    """Base of all errors that tracee raises on purpose. Its arguments are what to tell, a line each."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What to tell, a line each: where several things are wrong, all of them can be mended at once."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class InputError(TraceeError):
    """Something that was asked for is wrong: an unknown event, a field no event has, a number out of range."""


class OutputError(TraceeError):
    """A place that events should go to cannot be opened, or stopped taking them."""


class KernelRefusedError(TraceeError):
    """The kernel does not let us trace."""


class PermissionRefusedError(KernelRefusedError):
    """... because a privilege is missing."""


class UnseenError(TraceeError):
    """Something was done that tracee claims to see, and it did not see it."""
