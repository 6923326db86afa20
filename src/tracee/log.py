"""What tracee says of itself: one line each, on standard error."""

from __future__ import annotations

import logging
import sys

from tracee.errors import InputError
from tracee.events import nearest_hint

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

logger = logging.getLogger("tracee")


def set_up(level: str) -> None:
    """Lets through what is at least as grave as ``level``.

    Raises:
        InputError: there is no such level.
    """
    if level not in LEVELS:
        raise InputError(f'--log: unknown level "{level}"{nearest_hint(level, LEVELS)}')
    logging.addLevelName(logging.WARNING, "WARN")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(LEVELS[level])
