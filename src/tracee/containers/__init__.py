"""Containers: what their runtimes tell of them. What a runtime is asked with is imported when one is asked."""

from tracee.containers.metadata import Metadata
from tracee.containers.resolver import Resolver, resolver
from tracee.containers.sockets import Socket, known

__all__ = ["Metadata", "Resolver", "Socket", "known", "resolver"]
