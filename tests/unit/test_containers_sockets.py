"""Where sockets are found: on our root, on the host's, through links."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_servers import short_folder

from tracee.containers import resolver
from tracee.containers.client import clients, runtime_names
from tracee.containers.sockets import Socket, given, known, seen, stamp


@pytest.fixture
def host() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    return listening


def on(host: Path) -> list[Socket]:
    """Those found below this folder: the machine that tests run on may have some of its own."""
    return [one for one in known(host) if one.path.is_relative_to(host)]


def test_every_runtime_is_a_file_that_was_found() -> None:
    assert runtime_names() == ["containerd", "crio", "docker", "podman"]
    assert {kind.__module__.rpartition(".")[2] for kind in clients()} == {"containerd", "cri", "docker", "podman"}


@pytest.mark.parametrize(
    ("path", "runtime"), sorted({path: name for kind in clients() for path, name in kind.sockets.items()}.items())
)
def test_usual_places(host: Path, path: str, runtime: str) -> None:
    assert on(host) == []
    with listen(host / path[1:]):
        assert on(host) == [Socket(runtime, host / path[1:])]


def test_a_place_that_is_reached_by_two_paths_is_told_once(host: Path) -> None:
    (host / "run").mkdir()
    (host / "var").mkdir()
    (host / "var/run").symlink_to("/run")
    with listen(host / "run/docker.sock"):
        assert on(host) == [Socket("docker", host / "run/docker.sock")]


def test_links_are_followed_below_the_hosts_root(host: Path) -> None:
    (host / "a/b").mkdir(parents=True)
    (host / "a/absolute").symlink_to("/a/b")
    (host / "a/relative").symlink_to("../a/./b")
    (host / "a/above").symlink_to("../../../../a/b")
    (host / "a/round").symlink_to("round")
    for link in ("absolute", "relative", "above"):
        assert seen(host, f"/a/{link}/sock") == host / "a/b/sock"
    assert seen(host, "/a/../../../etc/passwd") == host / "etc/passwd"
    assert seen(host, "/a/round/sock") == host / "a/round/sock"
    assert seen(Path("/"), "/a/absolute/sock") == Path("/a/absolute/sock")


def test_what_is_no_socket_is_passed_over(host: Path) -> None:
    (host / "run").mkdir()
    (host / "run/docker.sock").write_text("a file")
    (host / "run/podman").mkdir()
    (host / "run/podman/podman.sock").mkdir()
    assert on(host) == []


def test_a_socket_that_is_made_anew_is_another(host: Path) -> None:
    path = host / "sock"
    assert stamp(path) is None
    with listen(path):
        first = stamp(path)
    path.rename(host / "old")
    with listen(path):
        assert stamp(path) not in (None, first)


def test_a_given_place_is_looked_for_on_the_host_where_we_have_none(host: Path) -> None:
    path = Path("/var/run/tracee-test/none.sock")
    assert given([("docker", path)], host) == [Socket("docker", path)], "it may come yet"
    with listen(host / "var/run/tracee-test/none.sock"):
        assert given([(None, path)], host) == [Socket(None, host / "var/run/tracee-test/none.sock")]
    with listen(host / "ours.sock"):
        assert given([(None, host / "ours.sock")], host) == [Socket(None, host / "ours.sock")]


def test_a_runtime_that_there_is_not() -> None:
    with pytest.raises(ValueError, match='no container runtime is called "dokcer": containerd, crio, docker, podman'):
        resolver([("dokcer", Path("/run/docker.sock"))])
