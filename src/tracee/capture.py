"""What is kept of what was seen, as ``--capture`` takes it, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from tracee.errors import InputError
from tracee.events import nearest_hint

FOLDER = "tracee-capture"
"""Where it goes unless another folder is named: in the one that tracee was started in."""
KINDS = ("net",)
SPLITS = ("process", "container", "command", "single")
MOST_BYTES = 65535


class CaptureSettings(NamedTuple):
    """All of ``--capture``."""

    packets: bool = False
    split: str = "process"
    """What has a file of its own: one of ``SPLITS``."""
    packet_bytes: int = 0
    """Of each packet so many bytes; 0: all."""
    folder: str = FOLDER

    def to_json(self) -> str:
        """How packets are kept, as the core reads it (crates/core/src/network/capture/mod.rs)."""
        settings: dict[str, object] = {"folder": self.folder, "split": self.split}
        if self.packet_bytes:
            settings["snap_length"] = self.packet_bytes
        return json.dumps(settings)


def parse_captures(texts: Sequence[str], folder: str | None) -> CaptureSettings:
    """Reads ``net``, ``net:SPLIT``, ``net:BYTES``, ``net:SPLIT:BYTES``.

    Args:
        texts: as they were given; what comes later goes before.
        folder: where files go; None: nobody said.

    Raises:
        InputError: what cannot be kept, or a word that is neither; with the nearest that is.
    """
    settings = CaptureSettings(folder=folder or FOLDER)
    for text in texts:
        kind, *words = text.split(":")
        if kind not in KINDS:
            raise InputError(f'--capture: unknown kind "{kind}"{nearest_hint(kind, KINDS)}')
        settings = settings._replace(packets=True)
        for word in words:
            if word in SPLITS:
                settings = settings._replace(split=word)
            elif word.isascii() and word.isdigit() and 1 <= int(word) <= MOST_BYTES:
                settings = settings._replace(packet_bytes=int(word))
            else:
                hint = nearest_hint(word, SPLITS)
                raise InputError(
                    f'--capture "{text}": "{word}" is neither what has a file of its own nor a number of bytes '
                    f"from 1 to {MOST_BYTES}{hint}"
                )
    return settings
