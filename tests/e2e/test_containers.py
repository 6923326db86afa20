"""Containers, told by their cgroups alone: no runtime is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import JsonEvent, Run, Tracee, wait_until
from handmade import Cgroup, container, root
from kernel_events import values

EXEC = ("--events", "sched_process_exec", "--output", "json", "--no-containers-enrich")


def by_pid(events: list[JsonEvent]) -> dict[int, JsonEvent]:
    return {event["hostProcessId"]: event for event in events}


def of_container(events: list[JsonEvent], id: str) -> list[JsonEvent]:
    return [event for event in events if event["container"].get("id") == id]


def test_what_runs_in_a_container_says_so(tracee: Tracee) -> None:
    with tracee.run(*EXEC) as run, container() as (cgroup, id):
        inside = cgroup.run("true")
        below = Cgroup(cgroup.folder / "init.scope")
        deeper = below.run("true")
        below.remove()
        host = subprocess.Popen(["true"])
        host.wait()
        events = by_pid(run.stop())
    assert events[inside]["container"] == {"id": id, "name": "", "image": "", "imageDigest": "", "runtime": "docker"}
    assert events[inside]["cgroupId"] > 0
    assert events[deeper]["container"]["id"] == id
    assert events[deeper]["cgroupId"] != events[inside]["cgroupId"]
    assert events[host.pid]["container"] == events[host.pid]["kubernetes"] == {}


def test_those_that_were_there_before(tracee: Tracee) -> None:
    with container() as (cgroup, id), tracee.run(*EXEC) as run:
        inside = cgroup.run("true")
        assert by_pid(run.stop())[inside]["container"]["id"] == id


def test_the_table_shows_the_container(tracee: Tracee) -> None:
    with tracee.run("--events", "sched_process_exec", "--no-containers-enrich") as run, container() as (cgroup, id):
        cgroup.run("true", "in", "a", "container")
        run.end()
        lines = [line.split() for line in run.stdout.splitlines() if '"container"' in line]
    # the shell was on the host when it began
    assert [line[3] for line in lines] == ["host", id[:12]]


def test_a_pod_is_told_by_its_path(tracee: Tracee) -> None:
    uid = "6cd1a4b5-3c1f-4a7e-9d30-0f4a2b1c5d6e"
    folders = [root() / "kubepods-tracee", root() / "kubepods-tracee" / f"pod{uid}"]
    made = [Cgroup(folder) for folder in folders]
    try:
        with tracee.run(*EXEC) as run, container(f"kubepods-tracee/pod{uid}/{{}}") as (cgroup, id):
            inside = cgroup.run("true")
            event = by_pid(run.stop())[inside]
    finally:
        for cgroup in reversed(made):
            cgroup.remove()
    assert event["container"]["id"] == id
    assert event["kubernetes"] == {"podName": "", "podNamespace": "", "podUid": uid, "sandbox": False}


def test_containers_come_and_go(tracee: Tracee) -> None:
    arguments = ("--events", "containers", "--output", "json", "--no-containers-enrich")
    with container("libpod-{}.scope") as (_, before), tracee.run(*arguments) as run:
        with container("crio-{}.scope") as (cgroup, id):
            cgroup.remove()
        with container("crio-conmon-{}.scope") as (_, watcher):
            pass
        events = run.stop()
    (existing,) = of_container(events, before)
    assert existing["eventName"] == "existing_container"
    assert values(existing)["container_id"] == before
    assert values(existing)["runtime"] == "podman"
    created, removed = of_container(events, id)
    assert (created["eventName"], removed["eventName"]) == ("container_create", "container_remove")
    told = values(created)
    assert told["ctime"] == created["timestamp"] <= removed["timestamp"]
    assert told["runtime"] == values(removed)["runtime"] == "crio"
    assert told["container_name"] == "" and told["pod_sandbox"] is False
    assert not of_container(events, watcher)


def test_the_kernel_keeps_a_map_of_them(tracee: Tracee) -> None:
    if not shutil.which("bpftool"):
        pytest.skip("no bpftool")
    with container() as (cgroup, _), tracee.run(*EXEC) as run:
        key = cgroup.id
        command = ["bpftool", "--json", "map", "dump", "name", "containers_map"]
        dumped = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        run.stop()
    # of others that run beside us, too
    maps = dumped if dumped and "elements" in dumped[0] else [{"elements": dumped}]
    entries = [e.get("formatted", e) for part in maps for e in part["elements"]]
    found = [entry["value"]["state"] for entry in entries if int(entry["key"]) == key]
    assert found and set(found) <= {"CONTAINER_KNOWN", 1}


MARK = ("--events", "getppid", "--output", "json", "--no-containers-enrich")


def pids(run: Run) -> set[int]:
    """Of those callers that were seen to call."""
    events = run.stop()
    return {e["hostProcessId"] for e in events if e["eventName"] == "getppid" and e["processName"] == "caller"}


@pytest.fixture
def caller(compile_c: Callable[[str], Path]) -> tuple[str, ...]:
    return str(compile_c("caller")), "calls", "3"


@pytest.mark.parametrize(
    ("scope", "inside", "host"),
    [
        (["container"], True, False),
        (["not-container"], False, True),
        (["container={id:.12}"], True, False),
        (["container=deadbeef,{id}"], True, False),
        (["container=deadbeef"], False, False),
        (["container!={id:.12}"], False, True),
        (["container!=deadbeef", "container"], True, False),
        (["podUid=*"], False, False),
    ],
)
def test_scope(tracee: Tracee, caller: tuple[str, ...], scope: list[str], inside: bool, host: bool) -> None:
    with container() as (before, id):
        words = [word for text in scope for word in ("--scope", text.format(id=id))]
        with tracee.run(*MARK, *words) as run:
            first = before.run(*caller)
            outside = subprocess.Popen(caller)
            outside.wait()
            seen = pids(run)
    assert (first in seen, outside.pid in seen) == (inside, host)


def test_a_scope_takes_what_is_made_later(tracee: Tracee, caller: tuple[str, ...]) -> None:
    with tracee.run(*MARK, "--scope", "container") as run, container() as (cgroup, _):
        inside = cgroup.run(*caller)
        assert inside in pids(run)


def test_who_is_moved_into_a_container_is_in_its_scope_from_then_on(tracee: Tracee) -> None:
    with tracee.run(*MARK, "--scope", "container") as run, container() as (cgroup, _):
        child = os.fork()
        if child == 0:
            os.getppid()
            cgroup.enter()
            os.getppid()
            os.getppid()
            (root() / "cgroup.procs").write_text(str(os.getpid()))
            os.getppid()
            os._exit(0)
        os.waitpid(child, 0)
        calls = [event for event in run.stop() if event["hostProcessId"] == child and event["eventName"] == "getppid"]
    assert len(calls) == 2


def test_the_kernel_turns_away_what_is_out_of_scope(tracee: Tracee, caller: tuple[str, ...]) -> None:
    with container(), tracee.run(*MARK, "--scope", "container", "--stats") as run:
        subprocess.run(caller, check=True)
        run.stop()
        counters = json.loads(run.stderr.splitlines()[-1])["stats"]
    assert counters["read"] == counters["sent"] == 0


def test_a_rule_may_ask_for_containers(tracee: Tracee, caller: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        """apiVersion: tracee.aquasec.com/v1beta1
kind: Policy
metadata:
  name: both
spec:
  scope: [global]
  rules:
    - event: getppid
      filters: [container]
    - event: sched_process_exec
      filters: [not-container]
"""
    )
    arguments = ("--policy", str(tmp_path / "policy.yaml"), "--output", "json", "--no-containers-enrich")
    with tracee.run(*arguments) as run, container() as (cgroup, id):
        inside = cgroup.run(*caller)
        outside = subprocess.Popen(caller)
        outside.wait()
        events = run.stop()
    assert {e["eventName"] for e in of_container(events, id)} == {"getppid"}
    assert inside in {e["hostProcessId"] for e in of_container(events, id)}
    assert {e["eventName"] for e in events if e["hostProcessId"] == outside.pid} == {"sched_process_exec"}


@pytest.mark.parametrize("field", ["containerName", "containerImage", "podName", "podNamespace"])
def test_names_need_runtimes_to_be_asked(tracee: Tracee, field: str) -> None:
    done = tracee.command("--scope", f"{field}=x", "--no-containers-enrich")
    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR {field}: only runtimes tell it")


def test_a_new_plan_knows_the_containers_that_are_there(
    tracee: Tracee, caller: tuple[str, ...], tmp_path: Path
) -> None:
    def policy(scope: str) -> None:
        (tmp_path / "p.yaml").write_text(
            f"""apiVersion: tracee.aquasec.com/v1beta1
kind: Policy
metadata: {{name: p}}
spec:
  scope: [{scope}]
  rules: [{{event: getppid}}]
"""
        )

    policy("not-container")
    arguments = ("--policy", str(tmp_path / "p.yaml"), "--watch-policies", "--output", "json")
    with container() as (cgroup, _), tracee.run(*arguments, "--no-containers-enrich") as run:
        first = cgroup.run(*caller)
        policy("container")
        wait_until(lambda: "policies are replaced" in run.stderr, "the new policies")
        second = cgroup.run(*caller)
        seen = pids(run)
    assert first not in seen and second in seen
