"""Loops of container starts for minutes: whether every exec has its container's name, and what memory tracee takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path += [str(ROOT / "src"), str(ROOT / "tests" / "e2e")]

from runtimes import IMAGE, UsualContainerd  # noqa: E402

EVERY = 30.0
"""Seconds between looks at the memory."""


def resident(pid: int) -> float:
    """MiB that a process has in memory."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024


def starts(containerd: UsualContainerd, name: str, end: float, started: list[str]) -> None:
    """Starts containers one after the other, each of which runs one program and is gone."""
    number = 0
    while time.monotonic() < end:
        number += 1
        id = f"{name}-{number}"
        command = [*containerd.client(), "run", "--rm", "--snapshotter", "native", IMAGE, id, "/bin/true"]
        if subprocess.run(command, capture_output=True).returncode == 0:
            started.append(id)


def named(file: Path, started: set[str]) -> tuple[int, int]:
    """Of the containers that were started: those whose exec came, and those of them with name and image."""
    came, known = set(), set()
    with file.open() as lines:
        for line in lines:
            event = json.loads(line)
            container = event["container"]
            if container.get("id") in started and event["processName"] == "true":
                came.add(container["id"])
                if container.get("name") and container.get("image") == IMAGE:
                    known.add(container["id"])
    return len(came), len(known)


def main() -> None:
    """``container_storm.py [MINUTES] [LOOPS]``."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    loops = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    with tempfile.TemporaryDirectory() as folder, UsualContainerd() as containerd:
        out = Path(folder) / "events.json"
        log = (Path(folder) / "log").open("w+")
        asked = ["--events", "sched_process_exec", "--scope", "container", "--output", f"json:{out}"]
        sockets = ["--runtime-sockets", f"containerd={containerd.socket}"]
        command = [str(ROOT / "dist" / "tracee"), *asked, *sockets, "--log", "debug"]
        tracee = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)
        while "tracing has begun" not in Path(log.name).read_text():
            if tracee.poll() is not None:
                sys.exit(Path(log.name).read_text())
            time.sleep(0.1)
        end, started = time.monotonic() + 60 * minutes, list[str]()
        threads = [threading.Thread(target=starts, args=(containerd, f"storm-{n}", end, started)) for n in range(loops)]
        for thread in threads:
            thread.start()
        begin = time.monotonic()
        while time.monotonic() < end:
            print(
                f"{time.monotonic() - begin:6.0f} s  {len(started):6} started  {resident(tracee.pid):6.1f} MiB",
                flush=True,
            )
            time.sleep(min(EVERY, max(0.0, end - time.monotonic())))
        for thread in threads:
            thread.join()
        print(f"{time.monotonic() - begin:6.0f} s  {len(started):6} started  {resident(tracee.pid):6.1f} MiB")
        tracee.terminate()
        tracee.wait()
        came, known = named(out, set(started))
        print(f"{len(started)} containers: the exec of {came}, {known} of these with name and image")


if __name__ == "__main__":
    main()
