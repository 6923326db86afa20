"""Events sent to Fluent's forward protocol."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Tracee, wait_until
from receivers import (
    Traced,
    sink_counters,
)


@contextmanager
def fluent_server(tmp_path: Path, **options: object) -> Iterator[tuple[int, Callable[[int], list[dict[str, Any]]]]]:
    """The server of the Fluent project's own library for Node.js: its port, and what it has received.

    It acknowledges before it hands out, so that some of so many events may come a little after the sender's end.
    """
    folder = Path(__file__).parents[2] / "build" / "fluent"
    if not (folder / "node_modules").exists():
        pytest.skip("needs npm and Fluent's library for Node.js: scripts/prerequisites.sh test")
    out = tmp_path / "received"
    script = Path(__file__).parent / "fluent_server.js"
    with open(out, "wb") as file:
        command = ["node", str(script), str(folder), json.dumps(options)]
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        port = int(server.stderr.readline())

        def received(count: int) -> list[dict[str, Any]]:
            wait_until(lambda: out.read_bytes().count(b"\n") >= count, f"{count} events to be handed out")
            return [json.loads(line) for line in out.read_text().splitlines()]

        yield port, received
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("gzipped", ["true", "false"])
def test_forward_to_the_library_of_the_fluent_project(
    tracee: Tracee, traced: Traced, tmp_path: Path, calls: Callable[[int], None], gzipped: str
) -> None:
    with fluent_server(tmp_path) as (port, received):
        with tracee.run(*traced.arguments(f"forward:tcp://127.0.0.1:{port}?tag=security.tracee&gzip={gzipped}")) as run:
            calls(3000)
            assert run.end() == 0
        truth = [json.loads(line) for line in traced.truth]
        events = received(len(truth))
    assert {event["tag"] for event in events} == {"security.tracee"}
    assert [event["time"] for event in events] == [list(divmod(e["timestamp"], 10**9)) for e in truth]
    # numbers beyond 2^53 are rounded by the server's language
    assert [event["record"]["threadId"] for event in events] == [e["threadId"] for e in truth]
    (counters,) = sink_counters(run)
    assert (counters["sent"], counters["retried"]) == (3000, 0)


def test_forward_with_a_shared_key_a_user_and_tls(
    tracee: Tracee, traced: Traced, tmp_path: Path, calls: Callable[[int], None], certificate: tuple[Path, Path]
) -> None:
    key, file = map(str, certificate)
    security = {"serverHostname": "collector", "sharedKey": "geheim", "authorize": True, "userDict": {"us": "wort"}}
    with fluent_server(tmp_path, security=security, tls={"key": key, "cert": file}) as (port, received):
        url = f"forward:tls://us:wort@localhost:{port}?shared-key=geheim&ca-file={file}"
        with tracee.run(*traced.arguments(url)) as run:
            calls(100)
            assert run.end() == 0
        assert len(received(100)) == 100
        wrong = f"forward:tls://us:falsch@localhost:{port}?shared-key=geheim&ca-file={file}"
        with tracee.run(*traced.arguments(wrong, options=",spool-dir=none")) as run:
            calls(100)
            assert run.end() == 0
        assert len(received(100)) == 100
    assert "it does not let us in" in run.stderr
    assert not any(secret in run.stderr for secret in ("geheim", "wort", "falsch"))


def test_forward_sends_again_what_is_not_acknowledged(
    tracee: Tracee, traced: Traced, calls: Callable[[int], None]
) -> None:
    """A receiver that takes a message and dies, one that acknowledges another, and then one that is well."""
    import msgspec

    messages: list[Any] = []

    def serve(listener: socket.socket) -> None:
        for answer in (b"", b"\x81\xa3ack\xa1x", None):
            connection, _ = listener.accept()
            with connection:
                text = b""
                while True:
                    text += connection.recv(1 << 20)
                    try:
                        messages.append(msgspec.msgpack.decode(text))
                    except msgspec.DecodeError:
                        continue
                    break
                chunk = messages[-1][2]["chunk"]
                connection.sendall(msgspec.msgpack.encode({"ack": chunk}) if answer is None else answer)
                if answer is None:
                    connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        with tracee.run(*traced.arguments(f"forward:tcp://127.0.0.1:{listener.getsockname()[1]}")) as run:
            calls(50)
            wait_until(lambda: len(messages) == 3, "three tries")
            assert run.end() == 0
        thread.join(PATIENCE)
    assert messages[0] == messages[1] == messages[2]
    tag, entries, option = messages[0]
    assert (tag, option["size"]) == ("tracee", 50)
    records = msgspec.msgpack.Decoder()
    assert isinstance(entries, bytes)
    del records
    (counters,) = sink_counters(run)
    assert (counters["sent"], counters["retried"]) == (50, 2)
