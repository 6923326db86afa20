"""Runtimes that hang, die, and answer nonsense: real sockets, the real resolver."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from runtime_servers import PING, Handler, HttpServer, answer, short_folder, tells

from tracee.containers import Metadata, Resolver, resolver
from tracee.containers.rest import LARGEST_ANSWER

ID = "6b0279b28418a198f8c6ee152e62a20c3eea7b9b9456ba0561c5479952437a59"
IMAGE_ID = "sha256:9f90535a55827200a4687d63ba764916ff2c5c052f1928a9a1d63438431422d9"
CONTAINER = {"Id": ID, "Names": ["/web"], "Image": "nginx:1.27", "ImageID": IMAGE_ID, "Labels": {"a": "b"}}
"""As Docker 20.10 tells it, without what is not read."""
LISTS = {"/containers/json": [CONTAINER], "/images/": {"RepoDigests": ["nginx@sha256:0123"]}}
TOLD = Metadata("web", "nginx:1.27", "sha256:0123", {"a": "b"}, "docker")
DEADLINE = 0.3


@pytest.fixture
def path() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder / "docker.sock"


@pytest.fixture
def asker(path: Path) -> Iterator[Resolver]:
    with resolver([("docker", path)], deadline=DEADLINE) as made:
        yield made


@pytest.fixture
def patient(path: Path) -> Iterator[Resolver]:
    """One that waits as long as a busy machine may take."""
    with resolver([("docker", path)], deadline=2.0) as made:
        yield made


def ask(asker: Resolver, deadline: float = DEADLINE) -> Metadata | None:
    """Asks, and holds the asker to its deadline, with much to spare: the machine may be busy."""
    begin = time.monotonic()
    told = asker.resolve(ID, "docker", f"/docker/{ID}")
    assert time.monotonic() - begin < deadline + 1.0
    return told


def wait_for(asker: Resolver, condition: Callable[[Metadata | None], bool]) -> None:
    """Asks until the answer is as it should be."""
    end = time.monotonic() + 30
    while not condition(ask(asker)):
        assert time.monotonic() < end


def hang(path: str, connection: socket.socket) -> None:
    """Never answers."""


def answers(body: bytes) -> Handler:
    """Greets well; answers whatever else is asked with these bytes and the connection's end."""

    def handle(path: str, connection: socket.socket) -> None:
        connection.sendall(PING if path == "/_ping" else body)
        if path != "/_ping":
            connection.shutdown(socket.SHUT_RDWR)

    return handle


def test_answers(path: Path, patient: Resolver) -> None:
    with HttpServer(path, tells(LISTS)) as server:
        for _ in range(5):
            assert ask(patient, 2.0) == TOLD
        assert server.connections == 1, "connections are kept"
        assert sum(asked.startswith("/images/") for asked in server.requests) == 1, "digests are remembered"


def test_a_container_that_others_are_linked_to(path: Path, patient: Resolver) -> None:
    linked = {**CONTAINER, "Names": ["/app/database", "/web", "/app2/database"]}
    with HttpServer(path, tells({**LISTS, "/containers/json": [linked]})):
        assert ask(patient, 2.0) == TOLD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[",
        answer(200, b"[" * 100_000),
        answer(200, b'{"Id": 1'),
        answer(200, b'"text"'),
        answer(200, b"9" * 10_000),
        answer(200, b"\xff\xfe"),
        answer(500, b"{}"),
        answer(301, b""),
        b"\x00" * 100_000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_nonsense(path: Path, asker: Resolver, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with HttpServer(path, answers(body)) as server:
        wait_for(asker, lambda told: bool(server.requests[1:]))
        for _ in range(5):
            assert ask(asker) is None
        # whatever it was, the next answer counts
        server.handler = tells(LISTS)
        wait_for(asker, lambda told: told == TOLD)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, "told once, not once a question"


@pytest.mark.parametrize(
    "container",
    [
        None,
        [],
        {},
        {"Id": ID[:12]},
        {"Id": ID, "Names": None, "Image": 3, "ImageID": [], "Labels": ["a"]},
        {"Id": ID, "Names": [{}], "Image": "\ud800", "Labels": {"\ud800": "\udfff", "a": 1}},
        {"Id": ID, "Names": ["/" + "n" * 100_000], "Labels": {f"{n}": "x" * 1000 for n in range(1000)}},
    ],
    ids=lambda container: repr(container)[:40],
)
def test_odd_containers(path: Path, asker: Resolver, container: object) -> None:
    with HttpServer(path, tells({"/containers/json": [container, CONTAINER]})) as server:
        wait_for(asker, lambda told: bool(server.requests[1:]) and told is not None)
        told = ask(asker)
        assert told is not None
        for one in (told.name, told.image, told.image_digest, *told.labels, *told.labels.values()):
            one.encode()


def test_whatever_comes_as_a_list(path: Path, asker: Resolver) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CONTAINER, "PodName"]), inner),
        max_leaves=8,
    )
    container = st.fixed_dictionaries({"Id": st.just(ID)}, optional=dict.fromkeys(list(CONTAINER)[1:], anything))

    with HttpServer(path, tells(LISTS)) as server:
        wait_for(asker, lambda told: told == TOLD)

        @example([{"Id": ID, "ImageID": "\x1f"}], None)  # no part of an address
        @given(st.lists(container | anything, max_size=3), anything)
        @settings(deadline=None, max_examples=60)
        def check(containers: object, image: object) -> None:
            server.handler = tells({"/containers/json": containers, "/images/json": [image], "/images/": image})
            for told in (ask(asker), *asker.containers().values()):
                if told is not None:
                    for one in (told.name, told.image, told.image_digest, *told.labels, *told.labels.values()):
                        one.encode()

        check()


def test_too_much(path: Path, asker: Resolver, caplog: pytest.LogCaptureFixture) -> None:
    endless = f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 40}\r\n\r\n".encode()

    def handle(asked: str, connection: socket.socket) -> None:
        if asked == "/_ping":
            connection.sendall(PING)
            return
        connection.sendall(endless)
        sent[0] = 0
        while True:
            sent[0] += connection.send(b" " * (1 << 16))

    sent = [0]
    with HttpServer(path, handle) as server:
        wait_for(asker, lambda told: bool(server.requests[1:]))
        wait_for(asker, lambda told: bool(caplog.records))
        assert sent[0] < LARGEST_ANSWER + (4 << 20)


def test_drops_that_never_end_are_no_answer(path: Path, asker: Resolver) -> None:
    def handle(asked: str, connection: socket.socket) -> None:
        if asked == "/_ping":
            connection.sendall(PING)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not server.ended.wait(0.02):
            connection.sendall(b"X-More: of this\r\n")

    with HttpServer(path, handle) as server:
        wait_for(asker, lambda told: bool(server.requests[1:]))
        assert ask(asker) is None


def test_who_hangs_is_left_alone_and_found_out_to_be_back(
    path: Path, asker: Resolver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tracee")
    with HttpServer(path, tells(LISTS)) as server:
        wait_for(asker, lambda told: told == TOLD)
        server.handler = hang
        assert ask(asker) is None
        wait_for(asker, lambda told: bool(caplog.records))
        begin = time.monotonic()
        for _ in range(100):
            assert ask(asker) is None
        assert time.monotonic() - begin < 10 * DEADLINE, "a hundred questions do not wait a hundred times"
        server.handler = tells(LISTS)
        wait_for(asker, lambda told: told == TOLD)
    ours = [record.levelname for record in caplog.records if record.name == "tracee"]
    assert ours == ["WARNING", "INFO"]


def test_one_slow_container_is_no_hung_runtime(path: Path, patient: Resolver, caplog: pytest.LogCaptureFixture) -> None:
    def slow(asked: str, connection: socket.socket) -> None:
        if asked == "/_ping":
            connection.sendall(PING)

    with HttpServer(path, tells(LISTS)) as server:
        assert ask(patient, 2.0) == TOLD
        server.handler = slow
        assert ask(patient, 2.0) is None
        server.handler = tells(LISTS)
        assert ask(patient, 2.0) == TOLD, "no pause"
        assert not caplog.records


def test_who_is_started_anew_answers_at_once(path: Path, asker: Resolver) -> None:
    for _ in range(3):
        with HttpServer(path, tells(LISTS)):
            wait_for(asker, lambda told: told == TOLD)
        path.unlink()
        assert ask(asker) is None


def test_who_was_not_there_at_first(path: Path, asker: Resolver) -> None:
    assert ask(asker) is None
    with HttpServer(path, tells(LISTS)):
        wait_for(asker, lambda told: told == TOLD)


def test_a_socket_that_nobody_listens_at(path: Path, asker: Resolver, caplog: pytest.LogCaptureFixture) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    wait_for(asker, lambda told: bool(caplog.records))
    for _ in range(20):
        assert ask(asker) is None
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


def test_pauses_grow(path: Path, asker: Resolver) -> None:
    """The first is at least an eighth of a second, each next one as long or twice that: few fit into a second."""

    def close(asked: str, connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with HttpServer(path, close) as server:
        wait_for(asker, lambda told: server.connections >= 1)
        before, questions, end = server.requests.count("/_ping"), 0, time.monotonic() + 1.0
        while time.monotonic() < end:
            assert ask(asker) is None
            questions += 1
        # two clients greet in this manner each time
        assert (server.requests.count("/_ping") - before) / 2 <= 5
        assert questions > 50


def test_the_best_answer_wins_and_a_hint_decides(path: Path) -> None:
    other = path.with_name("other.sock")
    second = {**CONTAINER, "Names": ["/other"]}
    with (
        HttpServer(path, hang) as hung,
        HttpServer(other, tells({**LISTS, "/containers/json": [second]})),
        resolver([("podman", path), ("docker", other)], deadline=DEADLINE) as asker,
    ):
        # by its hint, whoever hangs is not even asked
        wait_for(asker, lambda told: told is not None and told.name == "other")
        assert hung.connections == 0
        # without one, it is waited for no longer than a moment once there is an answer
        told = asker.resolve(ID, None, "/")
        assert told is not None and told.name == "other"


def test_after_the_end_there_are_no_answers(path: Path, asker: Resolver) -> None:
    with HttpServer(path, tells(LISTS)):
        wait_for(asker, lambda told: told == TOLD)
        asker.close()
        asker.close()
        assert ask(asker) is None
        assert asker.containers() == {}
        assert asker.runtimes() == []


def test_the_end_does_not_wait_for_who_hangs(path: Path, asker: Resolver) -> None:
    with HttpServer(path, tells(LISTS)) as server:
        wait_for(asker, lambda told: told == TOLD)
        server.handler = hang
        assert ask(asker) is None
        begin = time.monotonic()
        asker.close()
        assert time.monotonic() - begin < 1.5
