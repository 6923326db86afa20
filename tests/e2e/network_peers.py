"""What tests of network events share: programs that talk under names of their own, and what was told of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

from conftest import PATIENCE, JsonEvent, Run, wait_until
from kernel_events import values

PACKETS = 1, 2
"""Directions: in, out."""
IN, OUT = PACKETS

PRELUDE = """
import ctypes, os, socket, sys
def name(text):
    ctypes.CDLL(None).prctl(15, text.encode(), 0, 0, 0)
def say(*words):
    print(*words, flush=True)
def wait():
    return sys.stdin.readline().split()
"""


class Peer:
    """A Python program under a name of its own, which says lines and waits for some."""

    def __init__(self, name: str, source: str, *arguments: object, netns: str = "") -> None:
        prefix = ["ip", "netns", "exec", netns] if netns else []
        text = PRELUDE + f"name({name!r})\n" + textwrap.dedent(source)
        self.name = name
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", text, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> list[str]:
        """The words of the next line that it says."""
        assert self.process.stdout
        return self.process.stdout.readline().split()

    def tell(self, *words: object) -> None:
        """Gives it a line to wait for."""
        assert self.process.stdin
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Waits for its end."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()


def packets(events: list[JsonEvent], event: str, port: int) -> list[tuple[str, int, dict[str, Any]]]:
    """Of the packets from or to a port: whose, in which direction, and the arguments."""
    found = []
    for one in events:
        if one["eventName"] != event:
            continue
        args = values(one)
        if port in (args["src_port"], args["dst_port"]):
            found.append((one["processName"], args["metadata"]["direction"], args))
    return found


def wait_for(run: Run, event: str, port: int, count: int) -> list[tuple[str, int, dict[str, Any]]]:
    """The packets of a port, once there are so many."""
    found: list[tuple[str, int, dict[str, Any]]] = []

    def enough() -> bool:
        found[:] = packets(run.events_so_far(), event, port)
        return len(found) >= count

    wait_until(enough, f"{count} of {event} at port {port}")
    return found
