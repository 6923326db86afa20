"""Which events a signature wants to see."""

from __future__ import annotations


class Selected:
    """An event, and what must hold of it; two of the same event mean either.

    The filters are the command line's, of ``--scope`` and ``--filter`` alike: ``Selected("security_file_open",
    "container", "data.pathname=*/proc/kcore", "data.flags=O_RDWR")``. The same key again is OR, other keys are AND.
    The kernel tests them, where it can.
    """

    __slots__ = ("filters", "name")

    def __init__(self, name: str, *filters: str) -> None:
        self.name = name
        self.filters = filters

    def __repr__(self) -> str:
        return f"Selected{(self.name, *self.filters)!r}"
