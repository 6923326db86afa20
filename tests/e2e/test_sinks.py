"""Events sent away by HTTP: every receiver here is a real server on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import Tracee, wait_until
from receivers import (
    Receiver,
    Request,
    Traced,
    reset,
    sink_counters,
)


def assert_all_once(traced: Traced, receiver: Receiver) -> None:
    assert receiver.lines == traced.truth


@pytest.mark.parametrize("format", ["json", "ndjson"])
@pytest.mark.parametrize("gzipped", ["true", "false"])
def test_a_webhook_gets_every_event_once(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None], format: str, gzipped: str
) -> None:
    url = receiver.url(format=format, gzip=gzipped, header="X-Site:%20a%20b", site="west", batch_events=700)
    url = url.replace("http://", "http://user:geheim@")
    with tracee.run(*traced.arguments(url)) as run:
        calls(5000)
        assert run.end() == 0
    assert_all_once(traced, receiver)
    assert len(traced.truth) == 5000
    assert max(len(lines) for _, lines in receiver.batches) == 700
    assert len({key for key, _ in receiver.batches}) == len(receiver.batches)
    headers = receiver.headers[0]
    assert (headers["X-Site"], headers["Authorization"]) == ("a b", "Basic dXNlcjpnZWhlaW0=")
    (counters,) = sink_counters(run)
    assert counters["sent"] == 5000
    assert (counters["dropped"], counters["queued"], counters["spoolBytes"], counters["lastError"]) == (0, 0, 0, "")
    assert "geheim" not in run.stderr
    assert traced.spooled() == 0


def test_events_come_while_it_traces(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    with tracee.run(*traced.arguments(receiver.url(flush="100ms"))):
        calls(3)
        wait_until(partial(receiver.has, 3), "the events")


def test_tls(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None], certificate: tuple[Path, Path]
) -> None:
    import ssl

    key, file = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    assert receiver.server is not None
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url(ca_file=file).replace("http://127.0.0.1", "https://localhost")
    with tracee.run(*traced.arguments(url)) as run:
        calls(100)
        assert run.end() == 0
    assert_all_once(traced, receiver)
    # who is not trusted is told nothing
    received = len(receiver.batches)
    url = receiver.url().replace("http://127.0.0.1", "https://localhost")
    with tracee.run(*traced.arguments(url, options=",spool-dir=none")) as run:
        calls(100)
        assert run.end() == 0
    assert len(receiver.batches) == received
    assert "certificate" in run.stderr


def test_what_is_refused_is_dropped_counted_and_told(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    def refuse_the_first(request: Request) -> None:
        receiver.answer = Request.take
        request.say(400)

    receiver.answer = refuse_the_first
    with tracee.run(*traced.arguments(receiver.url(batch_events=100))) as run:
        calls(1000)
        assert run.end() == 0
    (counters,) = sink_counters(run)
    assert counters["refused"] == 100
    assert receiver.lines == traced.truth[100:]
    assert "it refuses events: it answers 400" in run.stderr


def test_a_batch_that_is_too_large_is_sent_in_parts(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    """A receiver that takes 100 kB, and never the 500th event."""

    def take_little(request: Request) -> None:
        if len(request.body) > 100_000 or traced.truth[499] in request.body:
            request.say(413)
        else:
            request.take()

    receiver.answer = take_little
    with tracee.run(*traced.arguments(receiver.url(format="ndjson"))) as run:
        calls(1000)
        assert run.end() == 0
    assert receiver.lines == traced.truth[:499] + traced.truth[500:]
    assert len({key for key, _ in receiver.batches}) == len(receiver.batches) > 10
    (counters,) = sink_counters(run)
    assert (counters["sent"], counters["refused"], counters["dropped"]) == (999, 1, 0)


def test_a_batch_that_comes_again_has_the_same_key(
    tracee: Tracee, traced: Traced, receiver: Receiver, calls: Callable[[int], None]
) -> None:
    def take_but_forget(request: Request) -> None:
        """The receiver has it, but the answer is lost."""
        receiver.answer = Request.take
        receiver.batches.append((request.headers["Idempotency-Key"], request.body.splitlines()))
        reset(request)

    receiver.answer = take_but_forget
    with tracee.run(*traced.arguments(receiver.url(format="ndjson"))) as run:
        calls(10)
        assert run.end() == 0
    (first, lines), (second, again) = receiver.batches
    assert first == second
    assert lines == again == traced.truth


def test_a_spool_that_is_asked_for_and_cannot_be_had_is_an_error(tracee: Tracee, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = tracee.command("--output", "webhook:http://127.0.0.1:9/", "--output", f"option:spool-dir={file}/spool")
    assert ended.returncode == 1
    assert ended.stderr.startswith("ERROR --output option:spool-dir: spool ")
    assert "Not a directory" in ended.stderr
