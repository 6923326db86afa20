"""Makes what the fuzzers start from out of the recorded packets of the tests: ``fuzz/seeds.py FOLDER``."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

RECORDED = Path(__file__).parent.parent / "crates/core/tests/network"


def packets(file: Path) -> Iterator[bytes]:
    """The packets of a pcap file, from their IP headers on."""
    data = file.read_bytes()
    place = 24
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place + 8)
        yield data[place + 16 : place + 16 + length]
        place += 16 + length


def payloads(file: Path, protocol: int) -> Iterator[tuple[int, bytes]]:
    """Of packets of TCP or UDP over IPv4: the port that they go to, and what they carry."""
    for packet in packets(file):
        if packet[0] == 0x45 and packet[9] == protocol:
            start = 28 if protocol == 17 else 20 + (packet[32] >> 4) * 4
            yield int.from_bytes(packet[22:24]), packet[start:]


def main() -> None:
    """Writes a folder of seeds for each target."""
    for target in ("packets", "messages", "dns"):
        (Path(sys.argv[1]) / target).mkdir(parents=True, exist_ok=True)

    def write(target: str, name: str, data: bytes) -> None:
        (Path(sys.argv[1]) / target / name).write_bytes(data)

    for file in sorted(RECORDED.glob("*.pcap")):
        whole = [packet for packet in packets(file) if len(packet) < 0x4000]
        write(
            "packets", file.stem, b"".join(struct.pack(">H", len(p) | (i % 2) << 15) + p for i, p in enumerate(whole))
        )
    for number, (_, message) in enumerate(payloads(RECORDED / "dns.pcap", 17)):
        write("dns", f"dns{number}", message)
    for name, port, own in (("http", 0, 8080), ("stratum", 0, 3333), ("dns_tcp", 1, 53)):
        parts = [bytes([port])]
        for to, payload in payloads(RECORDED / f"{name}.pcap", 6):
            for start in range(0, min(len(payload), 600), 120):
                part = payload[start : start + 120]
                parts.append(bytes([len(part) | (0 if to == own else 0x80)]) + part)
        write("messages", name, b"".join(parts))


if __name__ == "__main__":
    main()
