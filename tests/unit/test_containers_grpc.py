"""gRPC runtimes: older and odd ones, and such as fail; real servers, the real resolver."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from runtime_servers import GrpcServer, short_folder

from tracee.containers import Metadata, Resolver, resolver
from tracee.containers.proto import containerd_pb2 as containerd
from tracee.containers.proto import cri_pb2 as cri

ROOT = Path(__file__).parents[2]
DEADLINE = 2.0
ID = "c" * 64
SANDBOX = "5" * 64
IMAGE_ID = f"sha256:{'9' * 64}"
DIGEST = f"sha256:{'d' * 64}"
POD = cri.PodSandboxMetadata(name="web", uid="1-2", namespace="shop")

Method = Callable[[bytes, grpc.ServicerContext], bytes]
Methods = dict[str, Method]


def always(message: Message) -> Method:
    return lambda asked, context: message.SerializeToString()


def fails(code: grpc.StatusCode, said: str = "no") -> Method:
    def method(asked: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, said)

    return method


def crio(version: str) -> Methods:
    """A CRI-O with one pod; its container was asked for by the image's id, as by Kubernetes."""

    def status(asked: bytes, context: grpc.ServicerContext) -> bytes:
        if cri.ContainerStatusRequest.FromString(asked).container_id != ID:
            context.abort(grpc.StatusCode.NOT_FOUND, "could not find container")
        image = cri.ImageSpec(image="quay.io/shop/web:1.2")
        told = cri.ContainerStatus(id=ID, image=image, image_ref=f"quay.io/shop/web@{DIGEST}")
        return cri.ContainerStatusResponse(status=told).SerializeToString()

    def sandbox(asked: bytes, context: grpc.ServicerContext) -> bytes:
        if cri.PodSandboxStatusRequest.FromString(asked).pod_sandbox_id != SANDBOX:
            context.abort(grpc.StatusCode.NOT_FOUND, "could not find pod")
        told = cri.PodSandboxStatus(id=SANDBOX, metadata=POD, labels={"app": "web"})
        return cri.PodSandboxStatusResponse(status=told).SerializeToString()

    def containers(asked: bytes, context: grpc.ServicerContext) -> bytes:
        one = cri.Container(
            id=ID,
            pod_sandbox_id=SANDBOX,
            metadata=cri.ContainerMetadata(name="server"),
            image=cri.ImageSpec(image="9" * 64),
            image_ref=IMAGE_ID,
            labels={"tier": "front"},
        )
        wanted = cri.ListContainersRequest.FromString(asked).filter.id
        return cri.ListContainersResponse(containers=[one] if wanted in ("", ID) else []).SerializeToString()

    image = cri.Image(id=IMAGE_ID, repo_tags=["quay.io/shop/web:1.2"], repo_digests=[f"quay.io/shop/web@{DIGEST}"])
    pods = cri.ListPodSandboxResponse(items=[cri.PodSandbox(id=SANDBOX, metadata=POD, labels={"app": "web"})])
    return {
        f"/{version}.RuntimeService/Version": always(cri.VersionResponse(runtime_name="cri-o")),
        f"/{version}.RuntimeService/ContainerStatus": status,
        f"/{version}.RuntimeService/PodSandboxStatus": sandbox,
        f"/{version}.RuntimeService/ListContainers": containers,
        f"/{version}.RuntimeService/ListPodSandbox": always(pods),
        f"/{version}.ImageService/ListImages": always(cri.ListImagesResponse(images=[image])),
    }


def plain(get: Method | None = None, namespaces: tuple[str, ...] = ("default",)) -> Methods:
    """A containerd without its plug-in for Kubernetes."""
    known = [containerd.Namespace(name=name) for name in namespaces]
    one = containerd.GetContainerResponse(container=containerd.Container(id=ID, image="nginx:1.27"))
    return {
        "/containerd.services.version.v1.Version/Version": always(containerd.VersionResponse(version="1.7")),
        "/containerd.services.namespaces.v1.Namespaces/List": always(
            containerd.ListNamespacesResponse(namespaces=known)
        ),
        "/containerd.services.containers.v1.Containers/Get": get or always(one),
        "/containerd.services.images.v1.Images/Get": fails(grpc.StatusCode.NOT_FOUND),
    }


@pytest.fixture
def path() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder / "runtime.sock"


@pytest.fixture
def asker(path: Path) -> Iterator[Resolver]:
    with resolver([(None, path)], deadline=DEADLINE) as made:
        yield made


def wait_for(asker: Resolver, condition: Callable[[Metadata | None], bool]) -> Metadata | None:
    end = time.monotonic() + 30
    while not condition(told := asker.resolve(ID, None, "/")):
        assert time.monotonic() < end
    return told


@pytest.mark.parametrize("version", ["runtime.v1", "runtime.v1alpha2"])
def test_crio(path: Path, asker: Resolver, version: str) -> None:
    of_pod = {"pod_name": "web", "pod_namespace": "shop", "pod_uid": "1-2"}
    container = Metadata("server", "quay.io/shop/web:1.2", DIGEST, {"tier": "front"}, "crio", **of_pod, sandbox=False)
    sandbox = Metadata("web", "", "", {"app": "web"}, "crio", **of_pod, sandbox=True)
    with GrpcServer(path, crio(version)):
        assert wait_for(asker, lambda told: told is not None) == container
        assert asker.resolve(SANDBOX, "crio", "/") == sandbox
        assert asker.resolve("0" * 64, "crio", "/") is None
        assert asker.containers() == {ID: container, SANDBOX: sandbox}
        assert [one.runtime for one in asker.runtimes()] == ["crio"]


def test_a_pod_is_asked_for_once(path: Path, asker: Resolver) -> None:
    with GrpcServer(path, crio("runtime.v1")) as server:
        wait_for(asker, lambda told: told is not None)
        before = len(server.asked)
        wait_for(asker, lambda told: told is not None)
        assert sorted(method.rpartition("/")[2] for method in server.asked[before:]) == [
            "ContainerStatus",
            "ListContainers",
            "PodSandboxStatus",
        ]


def test_containerd_without_its_plugin(path: Path, asker: Resolver) -> None:
    with GrpcServer(path, plain()):
        told = wait_for(asker, lambda told: told is not None)
        assert told == Metadata(ID, "nginx:1.27", "", {}, "containerd")


@pytest.mark.parametrize(
    "get",
    [
        lambda asked, context: b"\xff" * 100,
        lambda asked, context: b"",
        lambda asked, context: b"\x0a\x04\x0a\x02\xff\xfe",  # an id that is no UTF-8
        lambda asked, context: b"\x00" * (17 << 20),
        fails(grpc.StatusCode.INTERNAL, "panic \n\x1b[2J"),
        fails(grpc.StatusCode.UNKNOWN),
        fails(grpc.StatusCode.UNAVAILABLE),
        fails(grpc.StatusCode.UNIMPLEMENTED),
        fails(grpc.StatusCode.UNAUTHENTICATED),
    ],
    ids=["garbage", "empty", "no UTF-8", "huge", "internal", "unknown", "unavailable", "unserved", "unauthenticated"],
)
def test_nonsense(path: Path, asker: Resolver, get: Method, caplog: pytest.LogCaptureFixture) -> None:
    methods = plain(get)
    with GrpcServer(path, methods) as server:
        wait_for(asker, lambda told: "/containerd.services.containers.v1.Containers/Get" in server.asked)
        for _ in range(5):
            told = asker.resolve(ID, None, "/")
            assert told is None or told.image == ""
        methods["/containerd.services.containers.v1.Containers/Get"] = plain()[
            "/containerd.services.containers.v1.Containers/Get"
        ]
        wait_for(asker, lambda told: told is not None and told.image == "nginx:1.27")
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) <= 1
    assert "\x1b" not in caplog.text


def test_who_hangs(path: Path, asker: Resolver) -> None:
    free = threading.Event()

    def hang(asked: bytes, context: grpc.ServicerContext) -> bytes:
        free.wait(60)
        return b""

    methods = plain()
    with GrpcServer(path, methods):
        wait_for(asker, lambda told: told is not None)
        working = methods.copy()
        methods.update(dict.fromkeys(methods, hang))
        begin = time.monotonic()
        assert asker.resolve(ID, None, "/") is None
        assert time.monotonic() - begin < DEADLINE + 1.0
        methods.update(working)
        free.set()
        wait_for(asker, lambda told: told is not None)


def test_who_is_started_anew(path: Path, asker: Resolver) -> None:
    for _ in range(3):
        with GrpcServer(path, plain()):
            wait_for(asker, lambda told: told is not None)
        path.unlink(missing_ok=True)
        assert asker.resolve(ID, None, "/") is None


def test_without_the_library(path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
sys.modules["grpc"] = None
from tracee import containers, log
log.set_up(log.LogSettings())
with containers.resolver([("containerd", Path({str(path)!r}))], deadline=20) as asker:
    print([asker.resolve("a", None, "/") for _ in range(5)])
"""
    with GrpcServer(path, plain()):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str([None] * 5)
    assert done.stderr.count("WARN") == len(done.stderr.splitlines()) == 1, done.stderr
    assert str(path) in done.stderr and "grpc" in done.stderr


def test_odd_namespaces(path: Path, asker: Resolver) -> None:
    names = ("a\nb", "ü", "", "x" * 10_000, *(f"n{number}" for number in range(100)), "default")
    asked: set[str] = set()

    def get(request: bytes, context: grpc.ServicerContext) -> bytes:
        asked.update(str(value) for key, value in context.invocation_metadata() if key == "containerd-namespace")
        return plain()["/containerd.services.containers.v1.Containers/Get"](request, context)

    with GrpcServer(path, plain(get, names)):
        wait_for(asker, lambda told: told is not None)
        assert len(asked) <= 64
        assert not asked & {"a\nb", "ü", ""}
        asked.clear()
        assert asker.resolve(ID, None, f"/default/{ID}") is not None
        assert "default" in asked, "the one that a cgroup names is among them, however many there are"


def test_the_messages_are_made_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "tests/e2e").mkdir(parents=True)
    subprocess.run([ROOT / "scripts/make-proto.sh", tmp_path], check=True, env={"PYTHON": sys.executable})
    made = sorted(one.relative_to(tmp_path) for one in tmp_path.rglob("*_pb2.py*"))
    assert len(made) == 6
    for one in made:
        assert (tmp_path / one).read_text() == (ROOT / one).read_text(), f"{one}: run scripts/make-proto.sh"
