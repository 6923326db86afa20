"""What monitors are told: the real command is asked over HTTP."""

from __future__ import annotations

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND, PATIENCE, Run, Tracee, wait_until
from prometheus_client.parser import text_string_to_metric_families
from receivers import NAME, Receiver

TOKEN = "a-token-of-some-length"


def port_of(run: Run) -> int:
    found = re.search(r"serving on http://\S+:(\d+)$", run.stderr, re.MULTILINE)
    assert found, run.stderr
    return int(found[1])


def ask(port: int, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(port: int) -> dict[tuple[str, str], float]:
    """By name and by the value of the one label."""
    status, text = ask(port, "/metrics")
    assert status == 200
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_and_health(tracee: Tracee, calls: Callable[[int], None], receiver: Receiver, tmp_path: Path) -> None:
    sink = receiver.url(flush="50ms")
    words = ["--events", "getppid", "--scope", f"comm={NAME}", "--server", "127.0.0.1:0", "--output", sink]
    with tracee.run(*words, "--output", f"option:spool-dir={tmp_path}", "--output", "json") as run:
        port = port_of(run)
        assert ask(port, "/healthz") == (200, "ok\n")
        assert ask(port, "/readyz") == (200, "ok\n")
        calls(100)
        wait_until(lambda: receiver.has(100), "the events at the receiver")
        wait_until(lambda: metrics(port)["tracee_events_matched_total", ""] >= 100, "the counters")
        # which is told now and then
        wait_until(lambda: metrics(port).get(("tracee_events_total", "getppid"), 0) == 100, "the events by name")
        found = metrics(port)
        assert found["tracee_cpu_seconds_total", "reader"] > 0
        assert found["tracee_events_lost_total", ""] == 0
        (sink_name,) = {label for name, label in found if name == "tracee_sink_sent_total"}
        assert sink_name.startswith("webhook http://127.0.0.1:")
        wait_until(lambda: metrics(port)["tracee_sink_sent_total", sink_name] == 100, "the receipt")
        assert found["process_resident_memory_bytes", ""] > 1 << 20
        assert any(name == "tracee_build_info" for name, _ in found)
        # what is not there
        assert ask(port, "/")[0] == 404
        assert ask(port, "/metrics", method="POST")[0] == 501
        assert ask(port, "/healthz", method="HEAD") == (200, "")
        # a name that somebody has lead here
        assert ask(port, "/metrics", {"Host": "evil.example.com"})[0] == 421
        assert ask(port, "/metrics", {"Host": "localhost:1"})[0] == 200
        assert run.end() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_signatures(tracee: Tracee, tmp_path: Path) -> None:
    (tmp_path / "asker.py").write_text(SIGNATURE)
    with tracee.run("--signatures-dir", str(tmp_path), "--events", "asker", "--server", "127.0.0.1:0") as run:
        port = port_of(run)
        subprocess.run(["/usr/bin/python3", "-S", "-c", "import os; os.getppid()"], check=True)
        wait_until(lambda: metrics(port).get(("tracee_signature_findings_total", "asker"), 0) > 0, "a finding")
        found = metrics(port)
        assert found["tracee_signature_events_total", "asker"] >= found["tracee_signature_findings_total", "asker"]
        assert found["tracee_signature_errors_total", "asker"] == 0
        assert run.end() == 0


SIGNATURE = """
from tracee.detect import Metadata, Selected, Signature


class Asker(Signature):
    metadata = Metadata(id="T-1", name="Asker", event_name="asker", version="1.0.0", description="Asks.")
    selected = (Selected("getppid"),)

    def on_event(self, event):
        self.found(event)
"""


def test_a_token(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    words = ["--events", "getppid", "--server", "0.0.0.0:0", "--server", f"option:token-file={file}"]
    with tracee.run(*words) as run:
        port = port_of(run)
        assert ask(port, "/metrics") == (401, "a token is needed\n")
        assert ask(port, "/metrics", {"Authorization": f"Bearer {TOKEN}x"})[0] == 401
        assert ask(port, "/metrics", {"Authorization": f"Basic {TOKEN}"})[0] == 401
        assert ask(port, "/metrics", {"Authorization": f"Bearer {TOKEN}", "Host": "any.example.com"})[0] == 200
        # probes have none, and learn one word
        assert ask(port, "/healthz") == (200, "ok\n")
        assert TOKEN not in run.stderr
        assert run.end() == 0
    file.write_text("short")
    for path, message in ((file, "a token is one line of 16 to 4096 bytes"), (tmp_path / "none", "No such file")):
        refused = tracee.command("--events", "getppid", "--server", "--server", f"option:token-file={path}")
        assert refused.returncode == 1
        assert message in refused.stderr


def test_a_port_that_is_taken(tracee: Tracee) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = tracee.command("--events", "getppid", "--server", str(port))
    assert (refused.returncode, refused.stderr) == (1, f"ERROR --server 127.0.0.1:{port}: Address already in use\n")


def test_it_answers_while_programs_are_loaded(tracee: Tracee, tmp_path: Path) -> None:
    """All events take seconds; meanwhile it is alive, and not ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    command = [*COMMAND, "--events", "all", "--scope", "pid=1", "--server", str(port), "--log", "debug"]
    with (
        open(log, "wb") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        wait_until(lambda: "serving on" in log.read_text(), "the server")
        assert ask(port, "/healthz")[0] == 200
        assert ask(port, "/readyz")[0] == 503
        wait_until(lambda: ask(port, "/readyz")[0] == 200, "readiness")
        assert "tracing has begun" in log.read_text()
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_slow_and_many_connections(tracee: Tracee) -> None:
    """They are bounded and ended, and tracing goes on."""
    with tracee.run("--events", "getppid", "--server", "127.0.0.1:0", "--output", "json") as run:
        port = port_of(run)
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(16)]
        for connection in slow:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nX: ")
        end = time.monotonic() + PATIENCE
        while True:
            # until all of them are being served, there may be room
            try:
                if ask(port, "/healthz")[0] == 503:
                    break
            except (ConnectionError, urllib.error.URLError):
                break
            assert time.monotonic() < end
        threads = len(list(Path(f"/proc/{run.process.pid}/task").iterdir()))
        assert threads < 60

        # a byte now and then does not keep a connection for ever
        def ended() -> bool:
            for connection in list(slow):
                connection.setblocking(False)
                try:
                    connection.send(b"x")
                    if connection.recv(1000) == b"":
                        slow.remove(connection)
                except BlockingIOError:
                    continue
                except OSError:
                    slow.remove(connection)
            return not slow

        wait_until(ended, "the end of slow connections")
        wait_until(lambda: ask(port, "/healthz") == (200, "ok\n"), "an answer")
        subprocess.run(["/usr/bin/python3", "-S", "-c", "import os; os.getppid()"], check=True)
        wait_until(lambda: bool(run.events_so_far()), "an event")
        assert run.end() == 0


def test_nonsense(tracee: Tracee) -> None:
    with tracee.run("--events", "getppid", "--server", "127.0.0.1:0") as run:
        port = port_of(run)
        for text in (
            b"\x00\xff\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET " + b"/" * 100_000 + b" HTTP/1.0\r\n\r\n",
            b"\r\n" * 99,
        ):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(text)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /\x1b[31m HTTP/1.0\r\nHost: [\r\n\r\n")
            assert b"421" in connection.recv(1000)
        assert ask(port, "/healthz") == (200, "ok\n")
        assert run.end() == 0
    assert "\x1b" not in run.stderr
    assert "Traceback" not in run.stderr
