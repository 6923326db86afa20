"""Receivers that events are sent to. To add one: a file here whose class has ``send(batch)``, registered.

    @register("example", ExampleSettings)
    class Example(Sink):
        def __init__(self, settings: ExampleSettings) -> None: ...
        def send(self, batch: Batch) -> None: ...

All else is the frame's (``frame/``): batches, queue, spool, retries, counters. ``docs/sinks.md`` tells how to use them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from tracee.errors import InputError
from tracee.events import nearest_hint
from tracee.sinks.frame.batch import Sink
from tracee.sinks.frame.delivery import Counters, Delivery, SinkSettings
from tracee.sinks.frame.options import read_options, split_url

__all__ = [
    "Counters",
    "Delivery",
    "Sink",
    "SinkSettings",
    "counters",
    "kinds",
    "make",
    "parse",
    "register",
    "settings",
    "split_url",
]

AnySink = TypeVar("AnySink", bound=type[Sink])


class Kind(NamedTuple):
    """A kind of sink: its name in ``--output``, what can be set, and what makes one."""

    name: str
    settings: Callable[..., SinkSettings]
    """A NamedTuple's class, whose first field is ``url``."""
    make: Callable[[Any], Sink]


_kinds: dict[str, Kind] = {}


def register(name: str, settings: Callable[..., SinkSettings]) -> Callable[[AnySink], AnySink]:
    """Decorates the class of a sink; ``name`` is what stands before the colon in ``--output``."""

    def decorate(sink: AnySink) -> AnySink:
        _kinds[name] = Kind(name, settings, sink)
        return sink

    return decorate


def kinds() -> dict[str, Kind]:
    """All kinds of sinks by name: each module of this package is imported once, and registers its own."""
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            importlib.import_module(f"{__name__}.{module.name}")
    return _kinds


def settings(kind: str, url: str, options: Mapping[str, object] | None = None) -> SinkSettings:
    """Settings of a sink as a configuration file says them.

    Args:
        kind: its name, such as ``webhook``.
        url: the receiver's; options may stand in its query, too.
        options: by name, in words or as values: ``{"timeout": "5s", "gzip": True, "headers": {"X-Site": "a"}}``.

    Raises:
        InputError: there is no such kind or option, or a value cannot be.
    """
    known = kinds()
    if kind not in known:
        raise InputError(f'unknown sink "{kind}"{nearest_hint(kind, known)}')
    place, from_query = split_url(kind, url, known[kind].settings)
    made = read_options(kind, known[kind].settings, place, {**from_query, **(options or {})})
    known[kind].make(made)  # says what cannot be, now
    return made


def parse(text: str) -> SinkSettings:
    """Reads ``KIND:URL``, as ``--output`` takes it.

    Raises:
        InputError: as for :func:`settings`.
    """
    kind, _, url = text.partition(":")
    if not url:
        raise InputError(f"--output {kind}: a URL is missing")
    return settings(kind, url)


def make(settings: SinkSettings) -> Sink:
    """The sink that these settings are for.

    Raises:
        InputError: a value cannot be.
    """
    (kind,) = (kind for kind in kinds().values() if kind.settings is type(settings))
    return kind.make(settings)


def counters() -> dict[str, Counters]:
    """How the sinks of this process fare, by name; empty where there are none. May be called by any thread."""
    from tracee.sinks.frame.outgoing import current

    return {outgoing.name: outgoing.counters() for outgoing in current()}
