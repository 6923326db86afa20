"""Packets in files: each once, none missing that is not told as lost."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Tracee
from handmade import container
from kernel_events import values
from network_peers import Peer

SENT = 100 << 20
"""Bytes that go over loopback."""


def packets_of(file: Path) -> Iterator[tuple[bytes, int]]:
    """The packets of a pcap file: the bytes kept, and how many there were."""
    data = file.read_bytes()
    magic, _, _, _, _, _, kind = struct.unpack("<IHHiIII", data[:24])
    assert (magic, kind) == (0xA1B23C4D, 101), "nanoseconds, from the IP header on"
    at = 24
    while at < len(data):
        _, _, kept, length = struct.unpack("<IIII", data[at : at + 16])
        yield data[at + 16 : at + 16 + kept], length
        at += 16 + kept
    assert at == len(data)


def file_of(folder: Path, pid: int) -> Path:
    (found,) = folder.glob(f"capture-*-{pid}.pcap")
    return found


def payload(packet: bytes, length: int, port: int) -> tuple[int, int, int] | None:
    """Of a TCP packet to a port: its number, how much it carries, and what tells it from one that is sent again."""
    head = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    _, to, number, _, offset = struct.unpack(">HHIIB", packet[head : head + 13])
    carried = length - head - (offset >> 4) * 4
    return (number, carried, int.from_bytes(packet[4:6])) if to == port and carried else None


def lost(events: list[JsonEvent]) -> int:
    return sum(values(event)["count"] for event in events if event["eventName"] == "events_lost")


SINK = """
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
say(server.getsockname()[1])
peer, _ = server.accept()
left = int(sys.argv[1])
while left:
    left -= len(peer.recv(1 << 20))
peer.sendall(b'thanks')
"""
SOURCE = """
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
block = bytes(1 << 20)
for _ in range(int(sys.argv[2]) >> 20):
    peer.sendall(block)
peer.recv(10)
"""


def test_no_packet_is_missing_or_doubled(tracee: Tracee, tmp_path: Path) -> None:
    """A hundred megabytes, with buffers as they are by default: both sides' files have them all, or it is told."""
    folder = tmp_path / "packets"
    arguments = ("--events", "net_packet_icmp", "--capture", "net", "--capture-dir", str(folder), "--output", "json")
    with tracee.run(*arguments, "--scope", "comm=netsource,netsink") as run, Peer("netsink", SINK, SENT) as sink:
        port = int(sink.said()[0])
        with Peer("netsource", SOURCE, port, SENT) as source:
            source.end()
        sink.end()
        missing = lost(run.stop())
    for peer in (source, sink):
        carried = [one for packet in packets_of(file_of(folder, peer.pid)) if (one := payload(*packet, port))]
        assert len(carried) == len(set(carried)), "none twice"
        if not missing:
            first, reached = carried[0][0], 0
            for number, length, _ in carried:
                place = (number - first) & 0xFFFFFFFF
                # what TCP sends again, on a busy machine, it has sent before
                assert place <= reached, "none missing"
                reached = max(reached, place + length)
            assert reached == SENT
    assert missing or "events lost" not in run.stderr


ALONE = """
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
peer = socket.create_connection(server.getsockname())
other, _ = server.accept()
peer.sendall(b'by myself')
other.recv(100)
say(server.getsockname()[1])
"""


def test_what_a_process_sends_to_itself_stands_there_once(tracee: Tracee, tmp_path: Path) -> None:
    folder = tmp_path / "packets"
    arguments = ("--events", "net_packet_icmp", "--output", f"option:capture-dir={folder}", "--capture", "net")
    with tracee.run(*arguments, "--scope", "comm=netalone") as run, Peer("netalone", ALONE) as alone:
        port = int(alone.said()[0])
        alone.end()
        assert run.end() == 0
    kept = list(packets_of(file_of(folder, alone.pid)))
    carried = [one for packet in kept if (one := payload(*packet, port))]
    assert [length for _, length, _ in carried] == [len("by myself")]
    flags = [packet[(packet[0] & 15) * 4 + 13] for packet, _ in kept]
    assert [flag & 0x12 for flag in flags].count(2) == 1, "one SYN"
    assert [flag & 0x12 for flag in flags].count(0x12) == 1, "one SYN with ACK"


def test_no_more_of_a_packet_than_was_asked(tracee: Tracee, tmp_path: Path) -> None:
    folder = tmp_path / "packets"
    arguments = ("--events", "net_packet_icmp", "--capture", "net:single:60", "--capture-dir", str(folder))
    with tracee.run(*arguments, "--scope", "comm=netalone") as run, Peer("netalone", ALONE) as alone:
        alone.said()
        alone.end()
        assert run.end() == 0
    (file,) = folder.glob("*.pcap")
    kept = list(packets_of(file))
    assert kept and all(len(packet) == min(60, length) for packet, length in kept)
    assert any(length > 60 for _, length in kept)


@pytest.mark.parametrize("text", ["network", "net:proces", "net:0", "net:1:x"])
def test_words_that_mean_nothing(tracee: Tracee, text: str) -> None:
    done = tracee.command("--capture", text)
    assert done.returncode == 1 and done.stderr.startswith("ERROR --capture")


def test_a_folder_that_cannot_be(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = tracee.command("--capture", "net", "--capture-dir", str(tmp_path / "file"))
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr


def test_a_file_for_each_container(tracee: Tracee, tmp_path: Path) -> None:
    folder = tmp_path / "packets"
    script = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'{}', ('127.0.0.1', 9))"
    arguments = ("--events", "net_packet_icmp", "--capture", "net:container", "--capture-dir", str(folder))
    program = tmp_path / "captured"
    program.symlink_to(sys.executable)
    watched = (*arguments, "--output", "json", "--no-containers-enrich", "--scope", "comm=captured")
    with container() as (cgroup, id), tracee.run(*watched) as run:
        cgroup.run(str(program), "-I", "-S", "-c", script.format("inside"))
        subprocess.run([program, "-I", "-S", "-c", script.format("outside")], check=True)
        run.stop()
    names = {file.name.split("-", 2)[2] for file in folder.glob("*.pcap")}
    assert names == {f"{id}.pcap", "host.pcap"}
    for name, text in ((id, b"inside"), ("host", b"outside")):
        (file,) = folder.glob(f"*-{name}.pcap")
        carried = [packet[28:] for packet, _ in packets_of(file) if packet[9] == 17]
        assert carried == [text]
