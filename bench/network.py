"""What network events cost a connection over loopback, and what keeping packets takes.

``python bench/network.py [ROUNDS [SECONDS]]`` as root. Each round measures every case once, so that what else the
machine does meets all of them; given are medians.

First iperf3 as fast as it goes, untraced and traced: how far that lies from the untraced ones. Then datagrams at a
steady rate, 1,000 bytes each, of which all or the headers are kept: CPU time of tracee and of ``tcpdump -w`` for each
that was sent. Every datagram passes tracee twice, where it is sent and where it is received.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from running import cpu_time, end, wait_for

CASES: dict[str, list[str] | None] = {
    "untraced": None,
    "net_packet_dns": ["--events", "net_packet_dns"],
    "the default set": [],
    "net_flow_tcp_*": ["--events", "net_flow_tcp_begin,net_flow_tcp_end"],
    "net_packet_tcp": ["--events", "net_packet_tcp"],
    "--capture net": ["--events", "net_packet_icmp", "--capture", "net"],
}
KEEPERS: dict[str, list[str]] = {
    "tcpdump -w": ["tcpdump", "-Z", "root", "-i", "lo", "-w", "{}/packets.pcap", "udp"],
    "tcpdump -w, 96 bytes": ["tcpdump", "-Z", "root", "-s", "96", "-i", "lo", "-w", "{}/packets.pcap", "udp"],
    "--capture net:single": ["net_packet_icmp", "--capture", "net:single"],
    "--capture net:96": ["net_packet_icmp", "--capture", "net:96"],
    "net_packet_udp": ["net_packet_udp"],
}
RATE, BYTES = "200M", "1000"
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


class Kept(NamedTuple):
    """What one keeper of packets did."""

    rate: float
    """datagrams sent a second"""
    records: float
    """packets in files, or lines, for each datagram sent"""
    cpu: float
    """us for each datagram sent"""
    lost: int
    """by its own account"""


def kept(name: str, folder: Path, seconds: float) -> Kept:
    """Has datagrams sent while a tool keeps them."""
    command = [word.format(folder) for word in KEEPERS[name]]
    if command[0] != "tcpdump":
        own = ["--capture-dir", str(folder), "--log", "debug", "--output", f"json:{folder}/events"]
        command = [sys.executable, "-m", "tracee", "--scope", "comm=iperf3", "--events", *command, *own]
    log = folder / "log"
    with open(log, "wb") as err:
        keeper = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err)
    wait_for(f"{name} to begin", lambda: re.search("tracing has begun|listening on", log.read_text()) is not None)
    before = cpu_time(keeper.pid)
    done = iperf(seconds, "-u", "-b", RATE, "-l", BYTES)["end"]["sum"]
    time.sleep(1)  # what it has still to write
    cpu = cpu_time(keeper.pid) - before
    end(keeper, signal.SIGINT)
    records = sum(packets_in(file) for file in folder.glob("*.pcap"))
    records += (folder / "events").read_bytes().count(b'"net_packet_udp"') if (folder / "events").exists() else 0
    told = re.findall(r"events lost: (\d+)|(\d+) packets dropped by kernel", log.read_text())
    lost = sum(int(number) for pair in told for number in pair if number)
    sent = done["packets"]
    return Kept(sent / seconds, records / sent, cpu / sent * 1e6, lost)


def packets_in(file: Path) -> int:
    """Of a pcap file."""
    data, at, count = file.read_bytes(), 24, 0
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
        count += 1
    return count


def iperf(seconds: float, *flags: str) -> dict[str, Any]:
    """What iperf3 told of one connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(["iperf3", "-s", "-1", "--forceflush", "-p", port], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    while "listening" not in server.stdout.readline():
        if server.poll() is not None:
            raise SystemExit("iperf3 does not listen")
    client = ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", str(seconds), "-J", *flags]
    done = subprocess.run(client, capture_output=True, text=True, check=True)
    server.communicate()
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main(rounds: int = 7, seconds: float = 3) -> None:
    """Measures, and prints a table."""
    measured: dict[str, list[float]] = {case: [] for case in CASES}
    for _ in range(rounds):
        for case, arguments in CASES.items():
            with tempfile.TemporaryDirectory() as folder, traced(arguments, Path(folder)):
                measured[case].append(float(iperf(seconds)["end"]["sum_received"]["bits_per_second"]) / 1e9)
    usual = statistics.median(measured["untraced"])
    print(f"{'case':20} {'Gbit/s':>8} {'lowest':>8} {'highest':>8} {'change':>8}")
    for case, speeds in measured.items():
        median = statistics.median(speeds)
        print(f"{case:20} {median:8.2f} {min(speeds):8.2f} {max(speeds):8.2f} {100 * (median / usual - 1):+7.1f}%")
    kept_by: dict[str, list[Kept]] = {name: [] for name in KEEPERS}
    for _ in range(rounds):
        for name, all_of in kept_by.items():
            with tempfile.TemporaryDirectory() as folder:
                all_of.append(kept(name, Path(folder), seconds))
    print(f"\n{'kept by':22} {'sent a second':>14} {'records each':>13} {'CPU us each':>12} {'lost':>6}")
    for name, all_of in kept_by.items():
        rate, records, cpu, lost = (statistics.median(values) for values in zip(*all_of, strict=True))
        print(f"{name:22} {rate:14,.0f} {records:13.2f} {cpu:12.2f} {lost:6.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
