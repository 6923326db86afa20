"""What real runtimes tell of real containers; each is started here, and skipped where it does not run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import wait_until
from pods import Pod, Pods
from runtimes import IMAGE, Containerd, Daemon, Docker, Podman

from tracee.containers import Metadata, Resolver, resolver

PATIENT = 5.0
LABELS = {"team": "shop", "com.example.empty": ""}


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    daemon = Containerd()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    daemon = Docker()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    daemon = Podman()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def pods(containerd: Containerd) -> Iterator[Pods]:
    with Pods(containerd.socket) as made:
        yield made


def opened(daemon: Daemon, runtime: str | None = None) -> Resolver:
    """A resolver that has connected, and has as much time as a busy machine may take."""
    asker = resolver([(runtime, daemon.socket)], deadline=PATIENT)
    asker.containers()
    return asker


def knows(asker: Resolver, id: str) -> bool:
    return asker.resolve(id, None, "/") is not None


def test_containerd(containerd: Containerd) -> None:
    containerd.run("web-1", labels=LABELS)
    with opened(containerd) as asker:
        told = asker.resolve("web-1", "containerd", "/default/web-1")
        assert told is not None
        assert (told.name, told.image, told.image_digest) == ("web-1", IMAGE, containerd.digest())
        # it has labels of its own besides, and keeps none that are empty
        assert {key: value for key, value in LABELS.items() if value}.items() <= told.labels.items()
        assert (told.runtime, told.pod_name, told.sandbox) == ("containerd", "", False)
        assert asker.containers()["web-1"] == told
        assert [(one.runtime, one.path) for one in asker.runtimes()] == [("containerd", containerd.socket)]
    containerd.remove("web-1")


def test_containerd_has_an_id_in_two_namespaces(containerd: Containerd) -> None:
    containerd.run("same", labels={"in": "default"})
    containerd.load_into("other")
    containerd.run("same", labels={"in": "other"}, namespace="other")
    with opened(containerd) as asker:
        for namespace in ("default", "other"):
            told = asker.resolve("same", None, f"/{namespace}/same")
            assert told is not None and told.labels["in"] == namespace
    containerd.remove("same")
    containerd.remove("same", "other")


def test_what_is_not_known_is_asked_again(containerd: Containerd) -> None:
    with opened(containerd) as asker:
        assert asker.resolve("later", "containerd", "/default/later") is None
        containerd.run("later")
        told = asker.resolve("later", "containerd", "/default/later")
        assert told is not None and told.name == "later"
    containerd.remove("later")


@pytest.mark.parametrize("as_kubernetes", [True, False])
def test_pods(containerd: Containerd, pods: Pods, as_kubernetes: bool) -> None:
    pod = pods.run(f"web-{as_kubernetes}".lower(), "shop", LABELS, as_kubernetes)
    with opened(containerd) as asker:
        told = asker.resolve(pod.container, "containerd", f"/k8s.io/{pod.container}")
        assert told is not None
        assert (told.name, told.image, told.runtime, told.sandbox) == ("app", IMAGE, "containerd", False)
        assert told.image_digest.startswith("sha256:")
        assert told.labels["team"] == "shop"
        sandbox = asker.resolve(pod.sandbox, None, f"/k8s.io/{pod.sandbox}")
        assert sandbox is not None
        assert (sandbox.name, sandbox.sandbox) == (pod.name, True)
        for one in (told, sandbox):
            assert (one.pod_name, one.pod_namespace, one.pod_uid) == (pod.name, pod.namespace, pod.uid)
        listed = asker.containers()
        assert listed[pod.container] == told
        assert listed[pod.sandbox] == sandbox


def test_a_pod_without_the_plugin_for_kubernetes(containerd: Containerd, pods: Pods) -> None:
    """What containerd's own interface tells of pods has to do while a sandbox starts: only then is it in both."""
    pod = pods.run("early", "shop")
    with opened(containerd) as asker:
        told = asker.resolve(pod.container, None, "/")
        own = _by_containerd_alone(containerd, pod)
        assert told is not None
        assert {name: one.pod_uid for name, one in own.items()} == dict.fromkeys(own, told.pod_uid)
        assert (own["container"].name, own["container"].image, own["container"].sandbox) == ("app", IMAGE, False)
        assert (own["sandbox"].name, own["sandbox"].sandbox) == ("early", True)


def _by_containerd_alone(containerd: Containerd, pod: Pod) -> dict[str, Metadata]:
    import asyncio

    from tracee.containers.client import Question
    from tracee.containers.runtimes.containerd import Containerd as Client

    async def ask() -> dict[str, Metadata]:
        client = Client(containerd.socket)
        await client.open()
        found = {
            "container": await client.find(Question(pod.container, "/")),
            "sandbox": await client.find(Question(pod.sandbox, "/")),
        }
        await client.close()
        return {name: one for name, one in found.items() if one is not None}

    return asyncio.run(ask())


def test_docker(docker: Docker) -> None:
    id = docker.run("hello", labels=LABELS)
    with opened(docker) as asker:
        told = asker.resolve(id, "docker", f"/docker/{id}")
        assert told == Metadata("hello", IMAGE, docker.image_id, LABELS, "docker")
        assert asker.resolve("0" * 64, "docker", f"/docker/{'0' * 64}") is None
        assert asker.containers()[id] == told
        assert [(one.runtime, one.path) for one in asker.runtimes()] == [("docker", docker.socket)]
    docker.remove(id)


def test_docker_tells_of_a_container_while_it_starts(docker: Docker) -> None:
    id = docker.ask("create", "--runtime", "slow", "--network", "none", "--name", "slow", IMAGE)
    start = threading.Thread(target=docker.ask, args=("start", "slow"))
    with opened(docker) as asker:
        start.start()
        wait_until(lambda: _runs(f"{docker.folder}/slow"), "the runtime to be called")
        told = asker.resolve(id, "docker", f"/docker/{id}")
        (docker.folder / "go").touch()
        assert told is not None and told.name == "slow"
    start.join()
    docker.remove(id)


def _runs(program: str) -> bool:
    for commands in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{program}\0".encode() in commands.read_bytes() and b"\0create\0" in commands.read_bytes():
                return True
        except OSError:  # it ended
            continue
    return False


def test_podman(podman: Podman) -> None:
    id = podman.run("hello", labels=LABELS)
    with opened(podman) as asker:
        told = asker.resolve(id, "podman", f"/libpod_parent/libpod-{id}")
        assert told is not None
        assert (told.name, told.image, told.labels, told.runtime) == ("hello", IMAGE, LABELS, "podman")
        assert told.image_digest in podman.ask("image", "inspect", IMAGE)
        assert asker.containers()[id] == told
    podman.remove(id)


def test_a_pod_of_podman(podman: Podman) -> None:
    pod = podman.pod("mypod")
    id = podman.run("inpod", flags=["--pod", "mypod"])
    with opened(podman) as asker:
        told = asker.resolve(id, "podman", "/")
        assert told is not None
        assert (told.name, told.pod_name, told.pod_uid, told.sandbox) == ("inpod", "mypod", pod, False)
        infra = next(one for one in asker.containers().values() if one.sandbox)
        assert (infra.pod_name, infra.pod_uid) == ("mypod", pod)


def test_podman_is_not_taken_for_docker(podman: Podman) -> None:
    id = podman.run("compatible")
    with opened(podman, "docker") as asker:
        told = asker.resolve(id, None, "/")
        assert told is not None and told.runtime == "podman"
        assert [one.runtime for one in asker.runtimes()] == ["podman"]
    podman.remove(id)


def test_a_runtime_that_is_started_anew(containerd: Containerd, caplog: pytest.LogCaptureFixture) -> None:
    containerd.run("survivor")
    with opened(containerd) as asker:
        containerd.stop()
        assert asker.resolve("survivor", "containerd", "/default/survivor") is None
        containerd.start()
        wait_until(lambda: knows(asker, "survivor"), "the runtime to be back")
    containerd.remove("survivor")


def test_a_runtime_that_hangs_holds_up_no_other(
    containerd: Containerd, docker: Docker, caplog: pytest.LogCaptureFixture
) -> None:
    id = docker.run("beside")
    containerd.run("hung")
    with resolver([("containerd", containerd.socket), ("docker", docker.socket)], deadline=2.0) as asker:
        wait_until(lambda: knows(asker, "hung") and knows(asker, id), "both to answer")
        os.kill(containerd.pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            assert asker.resolve("hung", "containerd", "/default/hung") is None
            assert time.monotonic() - begin < 3.0, "the deadline holds"
            assert asker.resolve(id, "docker", "/") is not None
            wait_until(lambda: bool(caplog.records), "the log to tell")
            # given up, it is not waited for by anybody
            for _ in range(20):
                told = asker.resolve(id, None, "/")
                assert told is not None and told.name == "beside"
            assert asker.resolve("hung", "containerd", "/default/hung") is None
        finally:
            os.kill(containerd.pid, signal.SIGCONT)
        wait_until(lambda: knows(asker, "hung"), "it to be asked again")
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    containerd.remove("hung")
    docker.remove(id)


def test_nothing_is_imported_before_it_is_asked_with(docker: Docker, containerd: Containerd) -> None:
    program = f"""
import sys
from pathlib import Path
from tracee import containers
def there():
    return sorted({{"grpc", "httpx", "asyncio", "google.protobuf"}} & set(sys.modules))
containers.known()
asker = containers.resolver([("docker", Path({str(docker.socket)!r}))])
print(there())
asker.containers()
print("grpc" in there(), "httpx" in there())
asker.close()
asker = containers.resolver([("containerd", Path({str(containerd.socket)!r}))])
asker.containers()
print("grpc" in there())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["[]", "False True", "True"], done.stderr


def test_many_ask_at_once(docker: Docker) -> None:
    id = docker.run("popular")
    told: list[Metadata | None] = []
    with opened(docker) as asker:
        threads = [threading.Thread(target=lambda: told.append(asker.resolve(id, None, "/"))) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [one.name for one in told if one] == ["popular"] * 32
    docker.remove(id)


def elsewhere(program: str, over: Path) -> str:
    """Runs a Python program that does not see what is in a folder, as in a container; what it printed."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(over)]
    done = subprocess.run([*hidden, sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hosts_runtime_as_seen_from_a_container(docker: Docker) -> None:
    id = docker.run("on-host")
    ours = Path(f"/proc/{os.getpid()}/root")  # the first process's may be closed even to root
    program = f"""
from pathlib import Path
from tracee import containers
path = Path({str(docker.socket)!r})
assert not path.exists()
asker = containers.resolver([(None, path)], deadline=20, host=Path({str(ours)!r}))
print(asker.resolve({id!r}, None, "/").name, asker.runtimes()[0].path)
"""
    assert elsewhere(program, docker.folder) == f"on-host {ours}{docker.socket}"
    docker.remove(id)


def test_doctor_tells_where_runtimes_listen(docker: Docker) -> None:
    program = """
import os, socket
from tracee.doctor.machine import look
os.makedirs("/run/podman")
listening = socket.socket(socket.AF_UNIX)
listening.bind("/run/podman/podman.sock")
print(look(1024).runtimes["podman"][0])
"""
    assert elsewhere(program, Path("/run")) == "/run/podman/podman.sock"
