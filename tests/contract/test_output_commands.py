"""The manual's commands of its chapter on output."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from lines import Line, wait_until

pytest_plugins = ["lines"]

KEYS = [
    "timestamp",
    "threadStartTime",
    "processorId",
    "processId",
    "threadId",
    "parentProcessId",
    "userId",
    "eventName",
    "eventId",
    "returnValue",
    "args",
    "container",
    "kubernetes",
]


def ls() -> None:
    subprocess.run(["/bin/ls", "-la", "/tmp"], check=True, stdout=subprocess.DEVNULL)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("flags", ["", " --output table"])
def test_the_table(line: Callable[[str], Line], flags: str) -> None:
    running = line(f"tracee --events execve --scope comm=ls{flags}")
    ls()
    head, row = running.end().splitlines()
    assert head.split() == ["TIME", "UID", "EVENT", "CONTAINER", "COMMAND", "ARGS"]
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{6}  0      execve  +host  +/bin/ls  +\["-la", "/tmp"\]', row), row
    assert row.index("execve") == head.index("EVENT") and row.index("host") == head.index("CONTAINER")


def test_json(line: Callable[[str], Line]) -> None:
    running = line("tracee --events execve,openat --scope comm=ls --output json")
    ls()
    seen = events(running.end())
    (exec,) = [event for event in seen if event["eventName"] == "execve"]
    assert [key for key in KEYS if key not in exec] == []
    assert isinstance(exec["eventId"], str) and exec["eventId"].isdigit()
    types = {argument["name"]: argument["type"] for event in seen for argument in event["args"]}
    assert (types["pathname"], types["argv"], types["flags"]) == ("const char*", "const char**", "int")
    assert {"name": "argv", "type": "const char**", "value": ["/bin/ls", "-la", "/tmp"]} in exec["args"]
    ancestors = exec["processTree"]["ancestors"]
    assert ancestors[0] == 1 and ancestors[-1] == exec["parentProcessId"]
    assert exec["timestamp"] > exec["threadStartTime"] > 1_700_000_000 * 10**9


@pytest.mark.parametrize("format", ["json", "table"])
def test_out_file(line: Callable[[str], Line], tmp_path: Path, format: str) -> None:
    file = tmp_path / "events"
    running = line(f"tracee --events execve --scope comm=ls --output {format} --output option:out-file={file}")
    ls()
    assert running.end() == ""
    assert "execve" in file.read_text()


def test_several_at_once(line: Callable[[str], Line], tmp_path: Path) -> None:
    json_file, table = tmp_path / "f", tmp_path / "t"
    running = line(
        f"tracee --events execve --scope comm=ls --output json:stdout --output json:{json_file} --output table:{table}"
    )
    ls()
    ls()
    printed = running.end()
    assert len(events(printed)) == 2
    assert json_file.read_text() == printed
    assert len(table.read_text().splitlines()) == 3


def test_gotemplate(line: Callable[[str], Line], tmp_path: Path) -> None:
    template = tmp_path / "csv.tmpl"
    template.write_text("{{.Timestamp}},{{.ProcessID}},{{.EventName}},{{.Container.Name}}\n")
    running = line(f"tracee --events execve --scope comm=ls --output gotemplate={template}")
    ls()
    assert re.fullmatch(r"\d{19},\d+,execve,\n", running.end())


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    got: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.got.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def receivers() -> Iterator[list[tuple[str, list[dict[str, Any]]]]]:
    """Two of them: the URL, and what came."""
    servers, made = [], []
    for _ in range(2):
        got: list[dict[str, Any]] = []
        servers.append(HTTPServer(("127.0.0.1", 0), type("Kept", (Receiver,), {"got": got})))
        made.append((f"http://127.0.0.1:{servers[-1].server_port}/events", got))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def test_webhooks(
    line: Callable[[str], Line], receivers: list[tuple[str, list[dict[str, Any]]]], tmp_path: Path
) -> None:
    sinks = " ".join(f"--output webhook:{url}" for url, _ in receivers)
    running = line(
        f"tracee --events execve --scope comm=ls {sinks} --output json --output option:spool-dir={tmp_path / 'spool'}"
    )
    ls()
    printed = events(running.end())
    assert len(printed) == 1
    assert [got for _, got in receivers] == [printed, printed]


def test_parse_arguments(line: Callable[[str], Line]) -> None:
    running = line("tracee --events openat --scope comm=cat --output json --output option:parse-arguments")
    subprocess.run(["cat", "/etc/no-such-file"], capture_output=True, check=False)
    seen = [event for event in events(running.end()) if event["args"][1]["value"] == "/etc/no-such-file"]
    assert [(event["returnValue"], event["args"][2]["value"]) for event in seen] == [("-ENOENT", "O_RDONLY")]


def test_relative_and_no_timestamps(line: Callable[[str], Line]) -> None:
    for option in ("relative-timestamp", "no-timestamp"):
        running = line(f"tracee --events execve --scope comm=ls --output json --output option:{option}")
        ls()
        (event,) = events(running.end())
        if option == "no-timestamp":
            assert "timestamp" not in event
        else:
            assert 0 < event["timestamp"] < 600 * 10**9


def test_detections_alone(line: Callable[[str], Line]) -> None:
    """No call is a detection."""
    running = line("tracee --events syscalls --scope comm=ls --output json --output option:detect-only")
    ls()
    assert running.end() == ""


def test_capture_folder(line: Callable[[str], Line], tmp_path: Path) -> None:
    folder = tmp_path / "captured"
    running = line(f"tracee --events net_packet_ipv4 --capture net --output json --output option:capture-dir={folder}")
    program = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0));"
        "s.sendto(b'x', s.getsockname()); s.recv(1)"
    )
    subprocess.run(["/usr/bin/python3", "-S", "-c", program], check=True)
    wait_until(lambda: "net_packet_ipv4" in running.output(), "a packet")
    running.end()
    assert list(folder.rglob("*.pcap"))


@pytest.mark.parametrize(
    ("flags", "begins"),
    [
        ("--log debug", "DEBUG "),
        ("--log option:log-format=json --log debug", "{"),
        ("--log info --log option:log-file={}", None),
    ],
)
def test_logs(line: Callable[[str], Line], tmp_path: Path, flags: str, begins: str | None) -> None:
    """What tracee says of itself is never among the events."""
    errors, file = tmp_path / "errors", tmp_path / "log"
    running = line(f"tracee --events execve --scope comm=ls --output json {flags.format(file)} 2> {errors}")
    ls()
    assert [event["eventName"] for event in events(running.end())] == ["execve"]
    lines = errors.read_text().splitlines()
    if begins is None:
        assert lines == [] and file.exists()
    else:
        assert lines and all(each.startswith(begins) for each in lines)
