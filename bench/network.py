"""What network events cost a connection over loopback: iperf3 untraced and traced, in turns.

``python bench/network.py [ROUNDS [SECONDS]]`` as root. Each round measures every case once, so that what else the
machine does meets all of them; given are the median of all rounds and how far it lies from that of the untraced ones.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CASES: dict[str, list[str] | None] = {
    "untraced": None,
    "net_packet_dns": ["--events", "net_packet_dns"],
    "the default set": [],
    "net_flow_tcp_*": ["--events", "net_flow_tcp_begin,net_flow_tcp_end"],
    "net_packet_tcp": ["--events", "net_packet_tcp"],
    "--capture net": ["--events", "net_packet_icmp", "--capture", "net"],
}
START = 30.0
"""Seconds that a tracer may take to begin."""


@contextmanager
def traced(arguments: list[str] | None, folder: Path) -> Iterator[None]:
    """With a tracee that writes JSON to a file; what it lost is printed."""
    if arguments is None:
        yield
        return
    log = folder / "log"
    with open(folder / "events", "wb") as out, open(log, "wb") as err:
        command = [
            sys.executable,
            "-m",
            "tracee",
            *arguments,
            "--capture-dir",
            str(folder / "packets"),
            "--log",
            "debug",
        ]
        tracer = subprocess.Popen([*command, "--output", "json"], stdout=out, stderr=err)
    end = time.monotonic() + START
    while "tracing has begun" not in log.read_text():
        if tracer.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"the tracer did not begin:\n{log.read_text()}")
        time.sleep(0.05)
    try:
        yield
    finally:
        tracer.terminate()
        tracer.wait(60)
        lost = [line for line in log.read_text().splitlines() if "events lost" in line]
        if lost:
            print(f"  {lost[-1]}")


def throughput(seconds: float) -> float:
    """Gbit/s of one connection of iperf3."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(["iperf3", "-s", "-1", "--forceflush", "-p", port], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    while "listening" not in server.stdout.readline():
        if server.poll() is not None:
            raise SystemExit("iperf3 does not listen")
    client = ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", str(seconds), "-J"]
    done = subprocess.run(client, capture_output=True, text=True, check=True)
    server.communicate()
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e9


def main(rounds: int = 7, seconds: float = 3) -> None:
    """Measures, and prints a table."""
    measured: dict[str, list[float]] = {case: [] for case in CASES}
    for _ in range(rounds):
        for case, arguments in CASES.items():
            with tempfile.TemporaryDirectory() as folder, traced(arguments, Path(folder)):
                measured[case].append(throughput(seconds))
    usual = statistics.median(measured["untraced"])
    print(f"{'case':20} {'Gbit/s':>8} {'lowest':>8} {'highest':>8} {'change':>8}")
    for case, speeds in measured.items():
        median = statistics.median(speeds)
        print(f"{case:20} {median:8.2f} {min(speeds):8.2f} {max(speeds):8.2f} {100 * (median / usual - 1):+7.1f}%")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
