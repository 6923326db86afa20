"""How long each runtime takes to tell of a container, asked when its cgroup appears."""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path += [str(ROOT / "src"), str(ROOT / "tests" / "e2e")]

from pods import Pods  # noqa: E402
from runtimes import Containerd, Daemon, Docker, Podman  # noqa: E402

from tracee.containers import resolver  # noqa: E402

TIMES = int(os.environ.get("TIMES", "100"))


class Fresh(NamedTuple):
    """A container that was started, and what happened until it was."""

    milliseconds: float
    """From the first question, when the cgroup appeared, to the answer."""
    questions: int
    """1: the runtime knew it at once."""


def root() -> Path:
    """Where cgroup v2 is mounted."""
    places = map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"))
    return next(place for place in places if (place / "cgroup.procs").exists())


def inside(folder: Path) -> set[Path]:
    """The cgroups of containers in one; Podman has those of their guards there, too."""
    if not folder.is_dir():
        return set()
    return {one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("libpod-conmon")}


def appeared(folder: Path, known: set[Path]) -> Path:
    """Waits for a cgroup that was not there before, without a pause."""
    while True:
        for new in inside(folder) - known:
            known.add(new)
            return new


def measure(
    daemon: Daemon, runtime: str, below: str, start: Callable[[int], object], passed_over: int = 0
) -> list[Fresh]:
    """Starts containers one after the other, and asks for each while it starts; as many before it are not asked for."""
    folder = root() / below
    told: list[Fresh] = []
    with resolver([(runtime, daemon.socket)]) as asker:
        while not asker.containers() and not asker.runtimes()[0].runtime:
            pass
        asker.resolve("0" * 64, runtime, "/")
        for number in range(TIMES):
            known = inside(folder)
            starting = threading.Thread(target=start, args=(number,))
            starting.start()
            for _ in range(1 + passed_over):
                cgroup = appeared(folder, known)
            id = cgroup.name.removeprefix("libpod-")
            begin = time.perf_counter()
            questions = 1
            while asker.resolve(id, runtime, f"/{below}/{cgroup.name}") is None:
                questions += 1
            told.append(Fresh((time.perf_counter() - begin) * 1000, questions))
            starting.join()
    return told


def show(name: str, told: list[Fresh]) -> None:
    """A row of the table."""
    times = sorted(one.milliseconds for one in told)
    at_once = sum(one.questions == 1 for one in told)
    print(
        f"{name:22} median {statistics.median(times):6.2f} ms   p95 {times[int(len(times) * 0.95)]:7.2f} ms   "
        f"{at_once} of {len(told)} by the first question"
    )


def main() -> None:
    """Measures each runtime that runs here."""
    with Containerd() as containerd:
        show("containerd", measure(containerd, "containerd", "default", lambda n: containerd.run(f"bench-{n}")))
        with Pods(containerd.socket) as pods:
            told = measure(containerd, "containerd", "k8s.io", lambda n: pods.run(f"bench-{n}", "bench"), 1)
            show("container of a pod", told)
    with Docker() as docker:
        show("docker", measure(docker, "docker", "docker", lambda n: docker.run(f"bench-{n}")))
    with Podman() as podman:
        show("podman", measure(podman, "podman", "libpod_parent", lambda n: podman.run(f"bench-{n}")))


if __name__ == "__main__":
    main()
