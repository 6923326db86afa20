"""What runtimes tell comes with the events: answers in time, late, never; real containers that are over in a moment."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Tracee, wait_until
from handmade import Cgroup, container
from kernel_events import values
from runtimes import IMAGE, Containerd, Daemon, Docker, Podman

from tracee._core import Event, Tracer
from tracee.policy import plan_from

Answer = dict[str, str | bool] | None
WEB: Answer = {
    "name": "web",
    "image": "docker.io/library/nginx:latest",
    "pod_name": "nginx-7",
    "pod_namespace": "production",
}


class Asker:
    """A tracer whose questions this test answers itself; the events as they come."""

    def __init__(self, plan: str) -> None:
        self.tracer = Tracer(plan)
        self.tracer.begin([], subscribe=True, ask=True)
        self.events: list[Event] = []
        self.asked: list[str] = []
        self._threads = [threading.Thread(target=work) for work in (self._take, self._listen)]
        for thread in self._threads:
            thread.start()

    def _take(self) -> None:
        while (batch := self.tracer.batch(60)) is not None:
            self.events += batch

    def _listen(self) -> None:
        while (questions := self.tracer.container_questions(60)) is not None:
            self.asked += [id for id, _, _ in questions]

    def question(self, id: str) -> None:
        wait_until(lambda: id in self.asked, "the question")

    def of(self, pid: int) -> list[Event]:
        """Those of a process, but for the shell's that brought it there."""
        return [event for event in self.events if event.host_pid == pid and event.process_name != "sh"]

    def finish(self) -> None:
        self.tracer.finish()
        for thread in self._threads:
            thread.join()


@contextmanager
def asking(*scope: str, events: tuple[str, ...] = ("sched_process_exec",)) -> Iterator[Asker]:
    asker = Asker(plan_from(events, scope, ()).to_json())
    try:
        yield asker
    finally:
        asker.finish()


@pytest.fixture(autouse=True)
def _root(can_trace: None) -> None:
    pass


def test_events_wait_for_the_answer() -> None:
    with container() as (cgroup, id), asking(events=("sched_process_exec", "existing_container")) as asker:
        asker.question(id)
        inside = cgroup.run("true")
        host = subprocess.Popen(["true"])
        host.wait()
        # a host's event does not wait
        wait_until(lambda: bool(asker.of(host.pid)), "the event of the host")
        asker.tracer.container_answer(id, WEB)
        wait_until(lambda: bool(asker.of(inside)), "the event")
        (event,) = asker.of(inside)
        assert event.container["name"] == "web"
        assert event.container["image"] == "docker.io/library/nginx:latest"
        assert event.container["runtime"] == "docker"
        assert event.kubernetes == {"podName": "nginx-7", "podNamespace": "production", "podUid": "", "sandbox": False}
        assert json.loads(event.to_json())["container"] == event.container
        (existing,) = [e for e in asker.events if e.name == "existing_container" and e.args["container_id"] == id]
        assert existing.args["container_name"] == "web"
        assert existing.args["pod_namespace"] == "production"


def test_in_their_order() -> None:
    with asking(events=("container_create", "container_remove", "sched_process_exec")) as asker:
        with container() as (cgroup, id):
            ran = [cgroup.run("true") for _ in range(5)]
        asker.question(id)
        asker.tracer.container_answer(id, WEB)
        wait_until(lambda: "container_remove" in names(asker, id), "the end")
        assert names(asker, id) == ["container_create", *["sched_process_exec"] * 5, "container_remove"]
        assert [e.host_pid for e in asker.events if e.host_pid in ran and e.container] == ran
        times = [e.timestamp for e in asker.events if e.container.get("id") == id]
        assert times == sorted(times)


def names(asker: Asker, id: str) -> list[str]:
    return [event.name for event in asker.events if event.container.get("id") == id]


def test_a_runtime_that_hangs_delays_its_own_and_once() -> None:
    with asking() as asker, container() as (cgroup, id), container() as (other, other_id):
        asker.question(other_id)
        asker.tracer.container_answer(other_id, WEB)
        stuck = cgroup.run("true")
        quick = other.run("true")
        wait_until(lambda: bool(asker.of(quick)), "the other container's event")
        # without an answer it comes by itself
        wait_until(lambda: bool(asker.of(stuck)), "the event")
        (event,) = asker.of(stuck)
        assert event.container["id"] == id and event.container["name"] == ""
        order = [e.host_pid for e in asker.events if e.host_pid in (stuck, quick) and e.container]
        assert order == [quick, stuck]
        # from now on nothing waits: what comes after is there before a host's event that comes after that
        again = cgroup.run("true")
        host = subprocess.Popen(["true"])
        host.wait()
        wait_until(lambda: bool(asker.of(host.pid)), "the event of the host")
        assert asker.of(again)
        # an answer that comes late is used from then on
        asker.tracer.container_answer(id, WEB)
        wait_until(lambda: is_named(asker, cgroup), "an event with the name")


def is_named(asker: Asker, cgroup: Cgroup) -> bool:
    pid = cgroup.run("true")
    wait_until(lambda: bool(asker.of(pid)), "an event")
    name: str = asker.of(pid)[0].container["name"]
    return name == "web"


def test_what_waits_comes_at_the_end_too() -> None:
    with asking() as asker, container() as (cgroup, id):
        pid = cgroup.run("true")
        asker.finish()
        assert [event.container["id"] for event in asker.of(pid) if event.container] == [id]


@pytest.mark.parametrize(
    ("scope", "answer", "passes"),
    [
        (["containerName=web"], WEB, True),
        (["containerName=w*"], WEB, True),
        (["containerName=db"], WEB, False),
        (["containerName=web"], None, False),
        (["containerName!=db", "container"], None, True),
        (["containerImage=nginx:latest"], WEB, True),
        (["containerImage=nginx"], WEB, True),
        (["containerImage=docker.io/library/*"], WEB, True),
        (["containerImage=nginx:1"], WEB, False),
        (["podName=nginx-*", "podNamespace=production"], WEB, True),
        (["podName=nginx-*", "podNamespace=test"], WEB, False),
    ],
)
def test_scope(compile_c: Callable[[str], Path], scope: list[str], answer: Answer, passes: bool) -> None:
    caller = str(compile_c("caller"))
    with container() as (cgroup, id), asking(*scope, events=("getppid",)) as asker:
        asker.question(id)
        before = cgroup.run(caller, "calls", "1")
        asker.tracer.container_answer(id, answer)
        after = cgroup.run(caller, "calls", "1")
        asker.finish()
    assert [bool(asker.of(pid)) for pid in (before, after)] == [passes, passes]


class AtHome(Containerd):
    """Keeps its state beside its socket, as containerd does unless told otherwise."""

    def configure(self) -> None:
        super().configure()
        config = self.folder / "config.toml"
        config.write_text(config.read_text().replace(f"{self.folder}/state", str(self.folder)))


LABEL = ("--label", "team=shop")
CONTAINERD = ("run", "--rm", *LABEL, "--snapshotter", "native", IMAGE, "{}", "/bin/true")
OTHERS = ("run", "--rm", *LABEL, "--network", "none", "--name", "{}", IMAGE, "/bin/true")


@pytest.mark.parametrize(
    ("daemon", "runtime", "count", "command"),
    [(AtHome, "containerd", 20, CONTAINERD), (Docker, "docker", 3, OTHERS), (Podman, "podman", 3, OTHERS)],
    ids=["containerd", "docker", "podman"],
)
def test_containers_that_are_over_in_a_moment_have_names(
    tracee: Tracee, daemon: type[Daemon], runtime: str, count: int, command: tuple[str, ...]
) -> None:
    with daemon() as started:
        arguments = ("--events", "sched_process_exec,container_create,container_remove", "--output", "json")
        with tracee.run(*arguments, "--runtime-sockets", f"{runtime}={started.socket}") as run:
            wait_until(lambda: f"containers are told by {runtime}" in run.stderr, "the runtime to be known")
            for number in range(count):
                started.ask(*(word.format(f"brief-{number}") for word in command))
            events = run.stop()
    ours = [e for e in events if e["container"].get("name", "").startswith("brief-")]
    assert all(e["container"]["labels"]["team"] == "shop" for e in ours)
    told = Counter(
        (e["eventName"], e["container"]["name"], e["container"]["image"], e["container"]["runtime"])
        for e in ours
        if e["eventName"] != "sched_process_exec" or values(e)["cmdpath"] == "/bin/true"
    )
    kinds = ("sched_process_exec", "container_create", "container_remove")
    named = [n for n in range(count) if all(told[kind, f"brief-{n}", IMAGE, runtime] == 1 for kind in kinds)]
    # the others answer late where the machine is busy: they are busy themselves with what they are asked about
    assert len(named) == count if runtime == "containerd" else named, told
