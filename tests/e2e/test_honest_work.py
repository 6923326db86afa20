"""What administrators do all day raises nothing of severity 2 or more but what docs/detections/README.md argues."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PATIENCE, JsonEvent, Tracee, wait_until
from handmade import container
from runtimes import Docker, Podman
from test_containers_asked import AtHome

ARGUED: dict[str, set[str]] = {}
"""By work: the findings that are right about it. Each has its paragraph in the section "Honest work"."""
README = Path(__file__).parents[2] / "docs" / "detections" / "README.md"
MARK = "core_pattern_modification"
SEVERE = 2
APT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=2 * PATIENCE)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout[-500:]}{done.stderr[-500:]}"


def needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")


class Work:
    """Traces while something is done, with all detections on."""

    def __init__(self, tracee: Tracee) -> None:
        self.tracee = tracee
        self._others = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()} - {1}

    def severe(self, work: Callable[[], None], *flags: str) -> list[JsonEvent]:
        """What was found of it. A last deed that must be found says that all has been looked at."""
        with self.tracee.run("--events", "all-signatures", "--output", "json", *flags) as tracing:
            work()
            with container() as (cgroup, id):
                cgroup.run("sh", "-c", "exec 3> /proc/sys/kernel/core_pattern")

                def marked() -> bool:
                    return any(e["eventName"] == MARK and e["container"].get("id") == id for e in found())

                def found() -> list[JsonEvent]:
                    return [e for e in tracing.events_so_far() if "detection" in e]

                wait_until(marked, "the last deed to be found")
            tracing.end()
            told = found()
        return [event for event in told if event["detection"]["severity"] >= SEVERE and self._is_ours(event)]

    def _is_ours(self, event: JsonEvent) -> bool:
        """Done by us or a daemon that began meanwhile; not by what somebody else does on this machine at that time."""
        # what no runtime knows was made by hand, by this test or by another
        if event["container"] and not event["container"]["image"]:
            return False
        chain = {event["hostProcessId"], *event["processTree"]["ancestors"]}
        return os.getpid() in chain or not chain & self._others


@pytest.fixture
def work(tracee: Tracee) -> Work:
    return Work(tracee)


def is_quiet(name: str, findings: list[JsonEvent]) -> None:
    unargued = [finding for finding in findings if finding["eventName"] not in ARGUED.get(name, ())]
    lines = [f"{f['eventName']} by {f['executable']}: {f['args']} {f['triggeredBy']['args']}" for f in unargued]
    assert not lines, "\n".join(lines)


def test_packages_come_and_go(work: Work) -> None:
    needs("apt-get", "dpkg")
    packages = [p for p in ("hello", "bc", "tree") if shutil.which(p) is None]
    trial = subprocess.run(
        ["apt-get", "install", "--download-only", "-y", "-qq", *packages], capture_output=True, text=True, env=APT
    )
    if trial.returncode != 0:
        pytest.skip(f"apt gets no packages here: {trial.stderr[-200:]}")

    def packages_come_and_go() -> None:
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=APT)
        run("apt-get", "remove", "-y", "-qq", *packages, env=APT)

    is_quiet("apt-get", work.severe(packages_come_and_go))


def test_pip_install(work: Work, tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    trial = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path / "w"), "six"]
    if subprocess.run(trial, capture_output=True, check=False).returncode != 0:
        pytest.skip("pip gets no packages here")

    def install() -> None:
        run(sys.executable, "-m", "venv", folder)
        run(folder / "bin" / "pip", "install", "--quiet", "--no-index", "--find-links", tmp_path / "w", "six")
        run(folder / "bin" / "python", "-c", "import six")

    is_quiet("pip", work.severe(install))


def test_cargo_build(work: Work, tmp_path: Path) -> None:
    needs("cargo")

    def build() -> None:
        run("cargo", "init", "--quiet", "--vcs", "none", "--name", "small", tmp_path / "small")
        run("cargo", "build", "--quiet", "--offline", cwd=tmp_path / "small")
        run(tmp_path / "small" / "target" / "debug" / "small")

    is_quiet("cargo", work.severe(build))


def test_git_clone(work: Work, tmp_path: Path) -> None:
    needs("git")
    author = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }

    def clone() -> None:
        run("git", "init", "--quiet", tmp_path / "one")
        (tmp_path / "one" / "file").write_text("x")
        run("git", "add", ".", cwd=tmp_path / "one")
        run("git", "commit", "--quiet", "-m", "x", cwd=tmp_path / "one", env={**os.environ, **author})
        run("git", "clone", "--quiet", "--no-local", tmp_path / "one", tmp_path / "two")
        run("git", "pull", "--quiet", cwd=tmp_path / "two")
        run("git", "gc", "--quiet", cwd=tmp_path / "two")

    is_quiet("git", work.severe(clone))


@pytest.fixture
def crontab(tmp_path: Path) -> Iterator[Path]:
    """A job for each minute, which leaves a file; it is there before tracing begins, as crontabs are."""
    table, trace = Path("/etc/cron.d/tracee-test"), tmp_path / "trace"
    table.write_text(f"* * * * * root /bin/date > {trace}\n")
    yield trace
    table.unlink()


def test_cron_and_logrotate(work: Work, crontab: Path, tmp_path: Path) -> None:
    needs("cron", "logrotate", "run-parts")
    if Path("/run/crond.pid").exists() and subprocess.run(["pidof", "cron"], capture_output=True).returncode == 0:
        pytest.skip("this host's own cron runs")
    log = tmp_path / "log"
    settings = tmp_path / "logrotate.conf"
    settings.write_text(f"{log} {{\n rotate 2\n compress\n postrotate\n  /bin/true\n endscript\n}}\n")
    settings.chmod(0o644)
    tmp_path.chmod(0o700)

    def jobs() -> None:
        for _ in range(3):
            log.write_text("x" * 10000)
            run("logrotate", "--force", "--state", tmp_path / "state", settings)
        daily = tmp_path / "daily"
        daily.mkdir()
        (daily / "job").write_text("#!/bin/sh\nfind /etc -maxdepth 1 > /dev/null\n")
        (daily / "job").chmod(0o755)
        run("run-parts", daily)
        daemon = subprocess.Popen(["cron", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(crontab.exists, "cron to run the job", 90)
        finally:
            daemon.terminate()
            daemon.wait()

    is_quiet("cron", work.severe(jobs))


def test_a_service_starts_and_stops(work: Work) -> None:
    script = Path("/etc/init.d/cron")
    if not script.exists() or Path("/run/systemd/system").exists():
        pytest.skip("services are not started by scripts here")
    if subprocess.run(["pidof", "cron"], capture_output=True).returncode == 0:
        pytest.skip("this host's own cron runs")

    def service() -> None:
        run(script, "start")
        run(script, "restart")
        run(script, "stop")

    is_quiet("service", work.severe(service))


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """A daemon on the loopback, and the command that logs in there."""
    needs("sshd", "ssh", "ssh-keygen")
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        f"PidFile {tmp_path}/pid\nStrictModes no\nPermitRootLogin yes\nUsePAM yes\nSubsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    daemon = subprocess.Popen(
        [shutil.which("sshd") or "", "-D", "-e", "-f", str(tmp_path / "config")], stderr=subprocess.PIPE, text=True
    )
    options = ["-F", "none", "-i", str(tmp_path / "user"), "-p", str(port), "-o", "StrictHostKeyChecking=no"]
    options += ["-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers, "sshd to listen")
    yield ["ssh", *options, "root@127.0.0.1"]
    daemon.terminate()
    daemon.wait()


def test_ssh_login(work: Work, ssh: list[str]) -> None:
    def log_in() -> None:
        run(*ssh, "id && ls / > /dev/null")
        run(ssh[0], "-tt", *ssh[1:], "bash -lc true")

    is_quiet("ssh", work.severe(log_in))


@pytest.mark.parametrize("daemon", [AtHome, Docker, Podman], ids=["containerd", "docker", "podman"])
def test_containers_start_and_stop(work: Work, daemon: type[AtHome | Docker | Podman]) -> None:
    with daemon() as started:
        name = {AtHome: "containerd", Docker: "docker", Podman: "podman"}[daemon]

        def containers() -> None:
            for number in range(2):
                started.remove(started.run(f"honest-{number}"))

        flags = ("--runtime-sockets", f"{name}={started.socket}")
        is_quiet(name, work.severe(containers, *flags))


def test_what_is_argued_is_in_the_documentation() -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Honest work\n")[2].partition("\n## ")[0]
    for work, names in ARGUED.items():
        for name in names:
            assert any(work in line and name in line for line in section.splitlines()), f"{work} raises {name}"
