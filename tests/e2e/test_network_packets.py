"""Packets of real programs: what is told, of which protocol, and to which policy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PATIENCE, Tracee, wait_until
from kernel_events import values
from network_peers import IN, OUT, Peer

EXAMPLES = Path(__file__).parents[2] / "examples" / "policies"


@pytest.mark.parametrize(("version", "address"), [("4", "127.0.0.1"), ("6", "::1")])
def test_echo(tracee: Tracee, version: str, address: str) -> None:
    """The kernel's answer is nobody's on its way out."""
    if not shutil.which("ping"):
        pytest.skip("there is no ping")
    event = "net_packet_icmp" if version == "4" else "net_packet_icmpv6"
    with tracee.run("--events", event, "--output", "json") as run:
        subprocess.run(["ping", f"-{version}", "-c", "1", address], check=True, capture_output=True, timeout=PATIENCE)
        events = run.stop()
    told = [(e["processName"], values(e)["metadata"]["direction"], values(e)["src"], values(e)["dst"]) for e in events]
    assert told == [("ping", OUT, address, address), ("", OUT, address, address), ("ping", IN, address, address)]


WEB = """
import http.server, threading
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
say(server.server_port)
threading.Thread(target=server.serve_forever, daemon=True).start()
wait()
"""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "page").write_text("text " * 20000)
    with Peer("netweb", WEB, tmp_path) as server:
        yield int(server.said()[0])


def test_http_on_any_port(tracee: Tracee, web: int) -> None:
    events = "net_packet_http_request,net_packet_http_response"
    with tracee.run("--events", events, "--output", "json") as run:
        url = f"http://127.0.0.1:{web}/page"
        subprocess.run(["curl", "-s", "-o", "/dev/null", url], check=True, timeout=PATIENCE)
        told = [e for e in run.stop() if web in (values(e)["metadata"][port] for port in ("src_port", "dst_port"))]
    seen = [(e["eventName"], e["processName"], values(e)["metadata"]["direction"]) for e in told]
    assert sorted(seen) == [
        ("net_packet_http_request", "curl", OUT),
        ("net_packet_http_request", "netweb", IN),
        ("net_packet_http_response", "curl", IN),
        ("net_packet_http_response", "netweb", OUT),
    ]
    request = values(told[0])["http_request"]
    assert (request["method"], request["uri_path"]) == ("GET", "/page")


POOL = """
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
say(server.getsockname()[1])
peer, _ = server.accept()
peer.recv(1000)
"""
MINER = r"""
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
line = '{"id":1,"method":"mining.subscribe","params":["miner/1.0"]}'
peer.sendall(line.encode() + b'\n')
"""


def test_a_miner_is_found_by_what_it_says(tracee: Tracee) -> None:
    policy = EXAMPLES / "crypto-mining-detection.yaml"
    with tracee.run("--policy", str(policy), "--output", "json") as run, Peer("netpool", POOL) as pool:
        port = pool.said()[0]
        with Peer("netminer", MINER, port) as miner:
            miner.end()
        pool.end()
        events = run.stop()
    told = [e for e in events if e["eventName"] == "net_packet_http" and e["processName"] == "netminer"]
    assert [values(e)["protocol"] for e in told] == ["stratum"]
    assert told[0]["policies"] == {"matched": ["crypto-mining-detection"]}


def test_other_policies_in_the_place_of_these(tracee: Tracee, tmp_path: Path) -> None:
    """What is loaded for the new ones tells nothing twice."""
    folder = tmp_path / "policies"
    folder.mkdir()

    def policy(event: str) -> str:
        return (
            "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: one}\n"
            f"spec: {{scope: [comm=netalone], rules: [{event}]}}\n"
        )

    rules = "{event: net_packet_udp}"
    (folder / "one.yaml").write_text(policy(rules))
    source = """
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(('127.0.0.1', 0))
    say(peer.getsockname()[1])
    while wait():
        peer.sendto(b'x', peer.getsockname())
        say('sent')
    """
    with (
        tracee.run("--policy", str(folder), "--watch-policies", "--output", "json") as run,
        Peer("netalone", source) as alone,
    ):
        alone.said()
        alone.tell("go")
        alone.said()
        wait_until(lambda: len(run.events_so_far()) >= 2, "both sides of the first datagram")
        (folder / "one.yaml").write_text(policy(rules + ", {event: net_packet_ipv4}"))
        wait_until(lambda: "net_packet_ipv4 is taken by" in run.stderr, "the other policy")
        alone.tell("go")
        alone.said()
        alone.end()
        events = [(e["eventName"], values(e)["metadata"]["direction"]) for e in run.stop()]
    assert events[:2] == [("net_packet_udp", OUT), ("net_packet_udp", IN)]
    assert sorted(events[2:]) == [(name, way) for name in ("net_packet_ipv4", "net_packet_udp") for way in (IN, OUT)]


def test_network_namespaces(tracee: Tracee) -> None:
    """Over a wire between two of them each side has its own packets, and each once."""
    made = [subprocess.run(["ip", "netns", "add", name], capture_output=True) for name in ("tracee-a", "tracee-b")]
    try:
        if any(one.returncode for one in made):
            pytest.skip("no network namespaces here")
        for command in (
            "ip link add tracee-wire-a netns tracee-a type veth peer name tracee-wire-b netns tracee-b",
            "ip -n tracee-a address add 10.77.0.1/24 dev tracee-wire-a",
            "ip -n tracee-b address add 10.77.0.2/24 dev tracee-wire-b",
            "ip -n tracee-a link set tracee-wire-a up",
            "ip -n tracee-b link set tracee-wire-b up",
        ):
            subprocess.run(command.split(), check=True, timeout=PATIENCE)
        server = """
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind(('10.77.0.2', 7777))
        say('bound')
        peer.recv(100)
        """
        client = """
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.sendto(b'over the wire', ('10.77.0.2', 7777))
        """
        with (
            tracee.run("--events", "net_packet_udp", "--filter", "data.dst_port=7777", "--output", "json") as run,
            Peer("netserver", server, netns="tracee-b") as there,
        ):
            assert there.said() == ["bound"]
            with Peer("netclient", client, netns="tracee-a") as here:
                here.end()
            there.end()
            told = [(e["processName"], values(e)["metadata"]["direction"], values(e)["src"]) for e in run.stop()]
        assert told == [("netclient", OUT, "10.77.0.1"), ("netserver", IN, "10.77.0.1")]
    finally:
        for name in ("tracee-a", "tracee-b"):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
