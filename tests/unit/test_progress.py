"""What a person sees of something that takes long."""

from __future__ import annotations

import os
import pty
import re
import select
import sys

import pytest

from tracee.cli.progress import Progress


def test_what_takes_long_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("loading programs into the kernel"):
            assert select.select([master], [], [], 60)[0]
            shown = os.read(master, 4096).decode()
        # and nothing of it is left
        after = os.read(master, 4096).decode()
    os.close(master)
    assert re.fullmatch(r"\r\x1b\[Kloading programs into the kernel: \d+ s", shown)
    assert after.endswith("\r\x1b[K")


def test_what_is_quick_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("loading programs into the kernel"):
            pass
        assert not select.select([master], [], [], 0)[0]
    os.close(master)
