"""Real container runtimes, each started for the tests with folders, a socket and an image of its own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

import pytest
from conftest import PATIENCE, wait_until

IMAGE = "localhost/tracee-test:1"
PAUSE_IMAGE = "localhost/tracee-pause:1"
APPLETS = ("sh", "sleep", "true", "cat", "ls", "id", "echo", "nc", "nslookup")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def image(to: Path, name: str) -> str:
    """Writes an image of busybox alone as an archive that every runtime loads; the digest of its configuration."""
    busybox = shutil.which("busybox") or pytest.skip("no busybox to make an image of")
    layer = _archive(
        {
            "bin/busybox": Path(busybox).read_bytes(),
            "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
            "etc/image": name.encode(),
            **dict.fromkeys((f"bin/{name}" for name in APPLETS), "busybox"),
            **dict.fromkeys(("proc", "sys", "dev", "tmp")),
        }
    )
    config = {
        "architecture": _ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "1000000"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    told = json.dumps(config).encode()
    digest = hashlib.sha256(told).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    to.write_bytes(
        _archive({"layer.tar": layer, f"{digest}.json": told, "manifest.json": json.dumps(manifest).encode()})
    )
    return f"sha256:{digest}"


def _archive(members: Mapping[str, bytes | str | None]) -> bytes:
    """A tar archive of files by content, symbolic links by target and folders."""
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return to.getvalue()


AnyDaemon = TypeVar("AnyDaemon", bound="Daemon")


class Daemon:
    """A runtime's daemon with a folder of its own, which it does not outlive."""

    needs: Sequence[str] = ()
    """Commands without which it cannot run here."""
    socket_name = ""

    def __init__(self) -> None:
        missing = [name for name in self.needs if shutil.which(name) is None]
        if missing or os.geteuid() != 0:
            pytest.skip(f"not here: {', '.join(missing)}" if missing else "containers need root")
        # short, for the path of a socket has at most 107 characters
        self.folder = Path(tempfile.mkdtemp(prefix="tracee-"))
        self.socket = self.folder / self.socket_name
        self._log: IO[bytes] = open(self.folder / "log", "wb")  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.configure()
            self.start()
        except BaseException:
            self.close()
            raise

    def configure(self) -> None:
        """Writes what it needs before it starts."""

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def client(self) -> list[str]:
        """The command that people ask it with."""
        raise NotImplementedError

    def load(self) -> None:
        """Gives it the images."""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Starts it, or starts it again, and waits until it answers."""
        self._process = subprocess.Popen(
            self.command(), stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        end = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < end:
            asked = subprocess.run([*self.client(), "version"], capture_output=True)
            if asked.returncode == 0:
                return self.load()
            time.sleep(0.02)
        pytest.skip(f"{self.needs[0]} does not start here: {self.log[-500:]}")

    def stop(self) -> None:
        """Ends it as its service would; containers stay."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, *arguments: str, input: bytes | None = None) -> str:
        """Runs its client; what that printed."""
        done = subprocess.run([*self.client(), *arguments], capture_output=True, input=input, timeout=PATIENCE)
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode().strip()

    def run(self, name: str, command: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> str:
        """Starts a container in the background; its id."""
        raise NotImplementedError

    def remove(self, id: str) -> None:
        """Ends a container and forgets it."""
        raise NotImplementedError

    def clear(self) -> None:
        """Removes all containers."""

    def close(self) -> None:
        """Ends its containers and itself, and removes its folder."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
                self.clear()
            self.stop()
        self._log.close()
        for mounted in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = mounted.split(" ")[1]
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self: AnyDaemon) -> AnyDaemon:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _flags(labels: Mapping[str, str] | None) -> list[str]:
    return [word for key, value in (labels or {}).items() for word in ("--label", f"{key}={value}")]


class Containerd(Daemon):
    """containerd with its plug-in for Kubernetes."""

    needs = ("containerd", "ctr", "runc")
    socket_name = "containerd.sock"
    namespace = "default"
    state = "state"
    """Where it keeps its state, in its folder."""

    def configure(self) -> None:
        (self.folder / "config.toml").write_text(
            f"""version = 2
root = "{self.folder}/root"
state = "{self.folder / self.state}"
[grpc]
  address = "{self.socket}"
[ttrpc]
  address = "{self.socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # whoever may not make a process likelier to survive could not start a sandbox
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.folder}/opt"
"""
        )

    def command(self) -> list[str]:
        return ["containerd", "--config", str(self.folder / "config.toml")]

    def client(self, namespace: str | None = None) -> list[str]:
        return ["ctr", "--address", str(self.socket), "--namespace", namespace or self.namespace]

    def load(self) -> None:
        archive = self.folder / "image.tar"
        if not archive.exists():
            image(archive, IMAGE)
            image(self.folder / "pause.tar", PAUSE_IMAGE)
            self.load_into(self.namespace)
            self.load_into("k8s.io")
            self.load_into("k8s.io", "pause.tar")

    def load_into(self, namespace: str, archive: str = "image.tar") -> None:
        """Gives one of its namespaces an image."""
        self.ask_in(namespace, "images", "import", "--snapshotter", "native", str(self.folder / archive))

    def ask_in(self, namespace: str, *arguments: str) -> str:
        """As ``ask``, in another of its namespaces."""
        done = subprocess.run([*self.client(namespace), *arguments], capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode().strip()

    def digest(self, name: str = IMAGE) -> str:
        """The digest by which it has an image."""
        return next(line.split()[2] for line in self.ask("images", "list").splitlines() if line.split()[0] == name)

    def run(
        self,
        name: str,
        command: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        namespace: str | None = None,
        flags: Sequence[str] = (),
    ) -> str:
        asked = ["run", "--detach", "--snapshotter", "native", *_flags(labels), *flags, IMAGE, name, *command]
        self.ask_in(namespace or self.namespace, *asked)
        return name

    def task_pid(self, name: str, namespace: str | None = None) -> int:
        """The first process of a container."""
        lines = self.ask_in(namespace or self.namespace, "tasks", "list").splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[0] == name)

    def remove(self, id: str, namespace: str | None = None) -> None:
        where = namespace or self.namespace
        self.ask_in(where, "tasks", "kill", "--signal", str(int(signal.SIGKILL)), id)
        wait_until(lambda: f"{id} " not in self.running(where), f"the end of {id}")
        self.ask_in(where, "tasks", "delete", id)
        self.ask_in(where, "containers", "delete", id)

    def running(self, namespace: str) -> str:
        """Its running tasks, as it lists them."""
        lines = self.ask_in(namespace, "tasks", "list").splitlines()
        return "\n".join(line for line in lines if "RUNNING" in line)

    def clear(self) -> None:
        for namespace in self.ask("namespaces", "list", "--quiet").split():
            for line in self.ask_in(namespace, "tasks", "list").splitlines()[1:]:
                name = line.split()[0]
                if "RUNNING" in line:
                    self.ask_in(namespace, "tasks", "kill", "--signal", str(int(signal.SIGKILL)), name)
                subprocess.run([*self.client(namespace), "tasks", "delete", "--force", name], capture_output=True)


class UsualContainerd(Containerd):
    """One whose socket is where its state is, as the usual one's: so a container's cgroup leads to its state."""

    state = ""


class Docker(Daemon):
    """Docker with a containerd of its own, and without networks."""

    needs = ("dockerd", "docker", "containerd", "runc")
    socket_name = "docker.sock"

    def command(self) -> list[str]:
        folders = ["--data-root", f"{self.folder}/root", "--exec-root", f"{self.folder}/exec"]
        own = ["--pidfile", f"{self.folder}/pid", "--config-file", f"{self.folder}/config.json"]
        without_networks = ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
        return ["dockerd", "--host", f"unix://{self.socket}", *folders, *own, *without_networks]

    def configure(self) -> None:
        # a runtime whose containers are created when `go` exists, and not sooner
        slow = self.folder / "slow"
        slow.write_text(
            '#!/bin/sh\ncase " $* " in *" create "*) '
            f'while [ ! -e {self.folder}/go ]; do sleep 0.02; done;; esac\nexec runc "$@"\n'
        )
        slow.chmod(0o755)
        (self.folder / "config.json").write_text(json.dumps({"runtimes": {"slow": {"path": str(slow)}}}))

    def client(self) -> list[str]:
        return ["docker", "--host", f"unix://{self.socket}"]

    def load(self) -> None:
        archive = self.folder / "image.tar"
        if not archive.exists():
            self.image_id = image(archive, IMAGE)
            self.ask("load", "--input", str(archive))

    def run(self, name: str, command: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> str:
        return self.ask("run", "--detach", "--network", "none", "--name", name, *_flags(labels), IMAGE, *command)

    def remove(self, id: str) -> None:
        self.ask("rm", "--force", id)

    def clear(self) -> None:
        for id in self.ask("ps", "--all", "--quiet").split():
            self.remove(id)


class Podman(Daemon):
    """Podman's service."""

    needs = ("podman", "conmon", "runc")
    socket_name = "podman.sock"

    def configure(self) -> None:
        # the limits that it sets by itself are more than every machine allows
        (self.folder / "containers.conf").write_text(
            """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""
        )

    def client(self) -> list[str]:
        folders = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp"]
        setting = f"CONTAINERS_CONF={self.folder}/containers.conf"
        return ["env", setting, "podman", *folders, "--storage-driver", "vfs"]

    def command(self) -> list[str]:
        return [*self.client(), "system", "service", "--time", "0", f"unix://{self.socket}"]

    def load(self) -> None:
        wait_until(self.socket.is_socket, "podman's socket")
        archive = self.folder / "image.tar"
        if not archive.exists():
            self.image_id = image(archive, IMAGE)
            self.ask("load", "--input", str(archive))

    def run(
        self,
        name: str,
        command: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
    ) -> str:
        where = [] if "--pod" in flags else ["--network", "none"]
        return self.ask("run", "--detach", "--name", name, *where, *_flags(labels), *flags, IMAGE, *command)

    def pod(self, name: str) -> str:
        """Creates a pod of Podman's own; its id."""
        infra = ["--infra-image", IMAGE, "--infra-command", "/bin/sleep 1000000"]
        return self.ask("pod", "create", "--name", name, "--network", "none", *infra)

    def remove(self, id: str) -> None:
        self.ask("rm", "--force", "--time", "0", id)

    def clear(self) -> None:
        pods = self.ask("pod", "ls", "--quiet", "--no-trunc").split()
        self.ask("pod", "rm", "--all", "--force", "--time", "0")
        for pod in pods:
            # it leaves a pod's cgroups where there are several hierarchies of them
            for left in Path("/sys/fs/cgroup").glob(f"**/libpod_parent/{pod}"):
                with contextlib.suppress(OSError):
                    left.rmdir()
        self.ask("rm", "--all", "--force", "--time", "0")
