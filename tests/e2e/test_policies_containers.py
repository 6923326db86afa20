"""Policies about containers: what each example is there for is found, and what stands beside it is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Tracee, wait_until
from handmade import container
from kernel_events import values
from pods import Pods
from test_containers_asked import AtHome

EXAMPLES = Path(__file__).parents[2] / "examples" / "policies"
CONNECT = "exec 3<>/dev/udp/127.0.0.1/$1"


def policy(name: str) -> tuple[str, ...]:
    return "--policy", str(EXAMPLES / f"{name}.yaml"), "--output", "json"


def inside(events: list[JsonEvent], id: str) -> set[str]:
    return {event["eventName"] for event in events if event["container"].get("id") == id}


def test_container_anomaly_detection(tracee: Tracee) -> None:
    arguments = policy("container-anomaly-detection")
    with tracee.run(*arguments, "--no-containers-enrich") as run, container() as (cgroup, id):
        cgroup.run("bash", "-c", CONNECT, "bash", "4444")
        cgroup.run("bash", "-c", CONNECT, "bash", "4445")
        subprocess.run(["bash", "-c", CONNECT, "bash", "4444"], check=True)
        events = run.stop()
    told = [event for event in events if event["container"].get("id") == id]
    assert all(event["container"] for event in events)
    assert {event["policies"]["matched"][0] for event in told} == {"container-anomaly-detection"}
    assert {"sched_process_exec", "security_bprm_check", "security_socket_connect"} <= {e["eventName"] for e in told}
    connected = [values(e)["remote_addr"]["sin_port"] for e in told if e["eventName"] == "security_socket_connect"]
    assert connected == [4444]


def test_host_and_containers(tracee: Tracee) -> None:
    with tracee.run(*policy("host-and-containers"), "--no-containers-enrich") as run, container() as (cgroup, id):
        there = cgroup.run("true")
        host = subprocess.Popen(["true"])
        host.wait()
        events = run.stop()
    by_process = {e["hostProcessId"]: e for e in events if e["processName"] == "true"}
    assert by_process[there]["policies"] == {"matched": ["production-containers"]}
    assert by_process[there]["container"]["id"] == id
    assert by_process[host.pid]["policies"] == {"matched": ["host-monitoring"]}
    assert all((e["policies"]["matched"] == ["production-containers"]) == bool(e["container"]) for e in events)


def test_container_escape_detection(tracee: Tracee) -> None:
    """Here and on the host the same is done: only the container's is told, and of it only what is a step out."""
    pattern = "exec 3> /proc/sys/kernel/core_pattern"
    mounts = ["unshare", "--mount", "--propagation", "private", "true"]
    with (
        tracee.run(*policy("container-escape-detection"), "--no-containers-enrich") as run,
        container() as (cgroup, id),
    ):
        true = cgroup.run("true")
        for command in (["nsenter", "--version"], mounts, ["sh", "-c", pattern]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            cgroup.run(*command)
        wait_until(lambda: any(e["eventName"] == "container_escape" for e in run.events_so_far()), "the escape")
        events = run.stop()
    assert {event["container"].get("id") for event in events} == {id}
    assert {event["policies"]["matched"][0] for event in events} == {"container-escape-detection"}
    programs = [Path(values(e)["pathname"]).name for e in events if e["eventName"] == "sched_process_exec"]
    assert programs == ["nsenter", "unshare"]
    assert true not in {e["hostProcessId"] for e in events if e["eventName"] != "cap_capable"}
    told = {event["eventName"]: values(event) for event in events}
    assert told.keys() == {"sched_process_exec", "security_sb_mount", "cap_capable", "container_escape"}
    assert told["container_escape"]["way"] == "core_pattern_modification"
    # CAP_SYS_MODULE, CAP_SYS_PTRACE, CAP_SYS_ADMIN
    assert {values(event)["cap"] for event in events if event["eventName"] == "cap_capable"} <= {16, 19, 21}


@pytest.fixture(scope="module")
def pods() -> Iterator[tuple[Path, Pods]]:
    with AtHome() as daemon, Pods(daemon.socket) as made:
        yield daemon.socket, made


def test_kubernetes_pod_monitoring(tracee: Tracee, pods: tuple[Path, Pods]) -> None:
    socket, made = pods
    arguments = (*policy("kubernetes-pod-monitoring"), "--runtime-sockets", f"containerd={socket}")
    with tracee.run(*arguments) as run:
        wait_until(lambda: "containers are told by containerd" in run.stderr, "the runtime to be known")
        web = made.run("nginx-7", "production")
        other = made.run("redis-0", "production")
        staging = made.run("nginx-8", "staging")
        events = run.stop()
    assert "sched_process_exec" in inside(events, web.container)
    assert {e["container"].get("id") for e in events} <= {web.container, web.sandbox}
    assert not inside(events, other.container) and not inside(events, staging.container)
    told = next(e for e in events if e["container"]["id"] == web.container)
    assert told["kubernetes"] == {
        "podName": "nginx-7",
        "podNamespace": "production",
        "podUid": web.uid,
        "sandbox": False,
    }
    assert told["policies"] == {"matched": ["kubernetes-pod-monitoring"]}
