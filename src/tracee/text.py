"""Text of events, and the bytes it stands for."""

from tracee._core import unescape

__all__ = ["unescape"]
