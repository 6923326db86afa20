"""What is asked of container runtimes. Read at every start, so it imports little."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from tracee.errors import InputError
from tracee.events import nearest_hint

if TYPE_CHECKING:
    from tracee.policy import Plan

_TOLD = ("containerName", "containerImage", "podName", "podNamespace")
"""Keys whose values only runtimes tell."""


class ContainerSettings(NamedTuple):
    """Whether runtimes are asked about containers, and which."""

    enrich: bool = True
    sockets: tuple[tuple[str | None, str], ...] = ()
    """Runtime, ``None`` to find it out, and path; empty: those that are found."""

    def states(self) -> list[str]:
        """Where containerds that listen there keep their state."""
        return [path.rpartition("/")[0] or "." for _, path in self.sockets]


def parse_sockets(texts: Iterable[str]) -> tuple[tuple[str | None, str], ...]:
    """Reads ``PATH`` and ``RUNTIME=PATH``, as ``--runtime-sockets`` takes them.

    Raises:
        InputError: a runtime that is not known, or an empty path.
    """
    sockets: list[tuple[str | None, str]] = []
    for text in texts:
        name, equals, path = ("", "", text) if text.startswith(("/", "./")) else text.partition("=")
        if not path or (equals and not name):
            raise InputError(f'--runtime-sockets "{text}": not PATH, or RUNTIME=PATH')
        if name:
            _require_runtime(name)
        sockets.append((name or None, path))
    return tuple(sockets)


def _require_runtime(name: str) -> None:
    from tracee.containers.client import runtime_names

    names = runtime_names()
    if name not in names:
        raise InputError(f'--runtime-sockets: no container runtime is called "{name}"{nearest_hint(name, names)}')


def require(plan: Plan, settings: ContainerSettings) -> None:
    """Sees to it that what the plan asks of containers can be known.

    Raises:
        InputError: it asks for what runtimes tell, and none is to be asked.
    """
    if settings.enrich:
        return
    asked = [p.field for policy in plan.policies for p in policy.scope]
    asked += [p.field for policy in plan.policies for rule in policy.rules for p in rule.filters]
    for field in _TOLD:
        if field in asked:
            raise InputError(f"{field}: only runtimes tell it, and with --no-containers-enrich none is asked")
