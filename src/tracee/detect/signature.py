"""The class that all signatures are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from tracee._core import Event
    from tracee.detect.context import Context
    from tracee.detect.metadata import Metadata
    from tracee.detect.selected import Selected
    from tracee.detect.signals import Signal

Finding: TypeAlias = Mapping[str, Any]
"""What a callback takes: ``Event``, the event that led to it, and ``Data``, the finding's fields by name."""


class Signature:
    """Looks at events and says what it finds.

    The short form sets ``metadata`` and ``selected`` and calls :meth:`found`; the long form defines ``get_metadata``,
    ``get_selected_events`` and ``init`` itself, in plain dicts, as the manual's example does.
    """

    metadata: ClassVar[Metadata]
    selected: ClassVar[Sequence[Selected]] = ()
    watches_processes: ClassVar[bool] = False
    """Whether on_signal is told of processes that end."""

    ctx: Context

    def init(self, ctx: Context) -> None:
        """Called once, before any event. ``ctx`` has the callback, a logger, and what is known of the host."""
        self.ctx = ctx

    def get_metadata(self) -> Metadata | Mapping[str, Any]:
        """What the signature says of itself."""
        return self.metadata

    def get_selected_events(self) -> Sequence[Selected | Mapping[str, Any]]:
        """What it wants to see, typed, or as ``{"Name": "openat", "Filters": ["data.flags=O_WRONLY"]}``."""
        return self.selected

    def on_event(self, event: Event) -> None:
        """Called for each event that was selected; ``event.args`` has raw values (numbers, not names of flags)."""

    def on_signal(self, signal: Signal) -> None:
        """Called when something happens that is no event."""

    def close(self) -> None:
        """Called once, at the end."""

    def found(self, event: Event, **data: Any) -> None:  # noqa: ANN401 - fields are what the metadata says
        """Tells of a finding, for which ``event`` is the reason; ``data``: its fields, as the metadata declares."""
        self.ctx.callback({"Event": event, "Data": data})
