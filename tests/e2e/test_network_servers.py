"""Servers and clients that people run: nginx, dnsmasq, socat and curl, in a network namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Tracee, wait_until
from kernel_events import values
from network_peers import IN, OUT

NEEDED = ("ip", "nginx", "dnsmasq", "socat", "curl")
NAMESPACE = f"tracee-servers-{os.getpid()}"
NAMES = {"four.test": "127.0.0.1", "six.test": "::1"}


def inside(*command: str) -> list[str]:
    """The command that runs one in the namespace."""
    return ["ip", "netns", "exec", NAMESPACE, *command]


class Servers:
    """Daemons that the test started, and ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, port: int, *command: str) -> None:
        """Starts one, and waits until something listens at its port."""
        log = (self.folder / f"{command[0]}.log").open("wb")
        self._running.append(
            subprocess.Popen(inside(*command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        )

        def listens() -> bool:
            assert self._running[-1].poll() is None, (self.folder / f"{command[0]}.log").read_text()
            found = subprocess.run(inside("ss", "-Hlntu", f"sport = :{port}"), capture_output=True, check=True).stdout
            return bool(found)

        wait_until(listens, f"{command[0]} at port {port}")

    def close(self) -> None:
        for server in self._running:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")
    if subprocess.run(["ip", "netns", "add", NAMESPACE], capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    settings = Path("/etc/netns") / NAMESPACE
    running = Servers(tmp_path)
    try:
        settings.mkdir(parents=True)
        (settings / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        subprocess.run(inside("ip", "link", "set", "lo", "up"), check=True)
        yield running
    finally:
        running.close()
        shutil.rmtree(settings, ignore_errors=True)
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


@pytest.fixture
def nginx(servers: Servers) -> Servers:
    """It serves a page of 100 kB, in as many segments as that takes."""
    folder = servers.folder
    (folder / "page").write_text("text " * 20_000)
    (folder / "nginx.conf").write_text(
        f"""daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:8080; listen [::1]:8080; root {folder}; }}
}}
"""
    )
    servers.start(8080, "nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder))
    return servers


@pytest.fixture
def dnsmasq(servers: Servers) -> Servers:
    answers = [f"--address=/{name}/{address}" for name, address in NAMES.items()]
    flags = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file="]
    servers.start(53, "dnsmasq", *flags, "--listen-address=127.0.0.1", "--bind-interfaces", *answers)
    return servers


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_nginx_by_its_name(tracee: Tracee, nginx: Servers, dnsmasq: Servers, name: str) -> None:
    """Asked of dnsmasq, fetched by curl: the question, the answer, the request, and the connection by its name."""
    address, family = NAMES[name], "A" if name == "four.test" else "AAAA"
    wanted = "net_packet_dns_request,net_packet_dns_response,net_packet_http_request,net_packet_http_response"
    flows = "net_flow_tcp_begin,net_flow_tcp_end"
    with tracee.run("--events", f"{wanted},{flows}", "--output", "json") as run:
        fetched = subprocess.run(
            inside("curl", "-s", "-o", os.devnull, "-w", "%{http_code} %{size_download}", f"http://{name}:8080/page"),
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        assert fetched.stdout == b"200 100000"
        events = run.stop()

    def of(event: str, process: str) -> list[dict[str, Any]]:
        return [values(e) for e in events if e["eventName"] == event and e["processName"] == process]

    questions = [
        (q["query"], q["query_type"]) for p in of("net_packet_dns_request", "curl") for q in p["dns_questions"]
    ]
    assert (name, family) in questions
    answers = [
        answer["answer"]
        for packet in of("net_packet_dns_response", "curl")
        for question in packet["dns_response"]
        for answer in question["dns_answer"]
    ]
    assert address in answers
    requests = of("net_packet_http_request", "curl")
    assert [(r["http_request"]["method"], r["http_request"]["uri_path"]) for r in requests] == [("GET", "/page")]
    assert requests[0]["http_request"]["host"] == f"{name}:8080"
    assert [r["metadata"]["direction"] for r in of("net_packet_http_request", "nginx")] == [IN]
    for process, direction in (("nginx", OUT), ("curl", IN)):
        told = of("net_packet_http_response", process)
        assert [(r["http_response"]["status_code"], r["metadata"]["direction"]) for r in told] == [(200, direction)]
    begun = [flow for flow in of("net_flow_tcp_begin", "curl") if flow["dst_port"] == 8080]
    assert [(flow["dst"], flow["dst_dns"]) for flow in begun] == [(address, [name])]
    (end,) = (flow for flow in of("net_flow_tcp_end", "curl") if flow["dst_port"] == 8080)
    assert end["dst_dns"] == [name]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagrams_of_socat(tracee: Tracee, servers: Servers, address: str) -> None:
    """Each of the two programs has the question and the answer, once."""
    version, host = ("UDP4", address) if "." in address else ("UDP6", f"[{address}]")
    servers.start(7007, "socat", f"{version}-RECVFROM:7007,bind={host},fork", "EXEC:cat")
    with tracee.run("--events", "net_packet_udp", "--output", "json") as run:
        asked = subprocess.run(
            inside("socat", "-t", "5", "-", f"{version}:{host}:7007,shut-null"),
            input=b"question",
            capture_output=True,
            timeout=PATIENCE,
        )
        assert asked.stdout == b"question"
        told = [e for e in run.stop() if 7007 in (values(e)["src_port"], values(e)["dst_port"])]
    assert {values(e)["src"] for e in told} == {address}
    # socat ends by a datagram without bytes, which the server answers or not
    whole = [e for e in told if values(e)["proto_udp"]["length"] > 8]
    ways = sorted((values(e)["dst_port"] == 7007, values(e)["metadata"]["direction"]) for e in whole)
    assert ways == sorted((question, way) for question in (True, False) for way in (IN, OUT))
    assert {e["processName"] for e in whole} <= {"socat", "cat"}
