"""Which runtimes are asked, as it is said on the command line."""

from __future__ import annotations

import pytest

from tracee.cli.flags import Command, parse
from tracee.container_settings import ContainerSettings, parse_sockets, require
from tracee.errors import InputError
from tracee.policy.plan import plan_from_flags


def test_sockets() -> None:
    assert parse_sockets([]) == ()
    found = parse_sockets(["/run/docker.sock", "containerd=/run/a=b.sock", "./x=y", "relative.sock"][:3])
    assert found == ((None, "/run/docker.sock"), ("containerd", "/run/a=b.sock"), (None, "./x=y"))
    assert ContainerSettings(sockets=found).states() == ["/run", "/run", "."]


@pytest.mark.parametrize("text", ["", "docker=", "=/run/docker.sock"])
def test_what_is_no_socket(text: str) -> None:
    with pytest.raises(InputError, match="not PATH, or RUNTIME=PATH"):
        parse_sockets([text])


def test_an_unknown_runtime() -> None:
    with pytest.raises(InputError, match=r'no container runtime is called "dockr" \(nearest: docker\)'):
        parse_sockets(["dockr=/run/docker.sock"])


def test_flags() -> None:
    command, settings = parse(["--runtime-sockets", "/a", "--runtime-sockets", "crio=/b"])
    assert command is Command.RUN
    assert settings.containers == ContainerSettings(True, ((None, "/a"), ("crio", "/b")))
    assert parse(["--no-containers-enrich"])[1].containers == ContainerSettings(enrich=False)


def test_what_runtimes_tell_needs_them() -> None:
    of_id = plan_from_flags(["execve"], ["container=abc", "podUid=1"])
    of_name = plan_from_flags(["execve"], [], ["containerName=web"])
    require(of_name, ContainerSettings())
    require(of_id, ContainerSettings(enrich=False))
    with pytest.raises(InputError, match="containerName: only runtimes tell it"):
        require(of_name, ContainerSettings(enrich=False))


def test_words_that_are_nearly_right() -> None:
    with pytest.raises(InputError, match=r"\(nearest: containerName\)"):
        plan_from_flags(["execve"], ["containername=web"])
    with pytest.raises(InputError, match="not-container takes no value"):
        plan_from_flags(["execve"], ["not-container=web"])
