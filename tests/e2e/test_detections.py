"""Signatures on the real kernel: what they are given, what they find, and what becomes of those that go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import JsonEvent, Tracee, wait_until

import tracee as api
from tracee.detect import known
from tracee.events import forget_findings

HEAD = "from tracee.detect import Field, Metadata, Selected, Signal, SignalKind, Signature\n"
FOUND = """
class Opened(Signature):
    metadata = Metadata(id="TEST-1", name="Opened", event_name="opened_mark", description="A mark was opened.",
                        tags=("linux",), fields=(Field("path"), Field("count", "int"), Field("all", "const char**")))
    selected = (Selected("security_file_open", "data.pathname={folder}/mark*"),)

    def on_event(self, event):
        self.found(event, path=event.args["pathname"], count=-1, all=["a", "b"], more={{"deep": [1, True, None]}})
"""
FOLLOWING = """
class Following(Signature):
    metadata = Metadata(id="TEST-2", name="Following", event_name="followed", description="A finding was found.",
                        fields=(Field("name"), Field("inner")))
    selected = (Selected("opened_mark", "data.path=*2"),)

    def on_event(self, event):
        self.found(event, name=event.args["path"], inner=event.triggered_by.name)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of marks; signatures stand in ``signatures`` below it."""
    (tmp_path / "signatures").mkdir()
    return tmp_path


def write(folder: Path, *texts: str, name: str = "own.py") -> tuple[str, str]:
    """Own signatures; the flags for them."""
    text = HEAD + "".join(textwrap.dedent(text).replace("{folder}", str(folder)) for text in texts)
    (folder / "signatures" / name).write_text(text.replace("{{", "{").replace("}}", "}"), encoding="utf-8")
    return "--signatures-dir", str(folder / "signatures")


def touch(folder: Path, name: str) -> str:
    """Opens a mark; its path."""
    path = folder / name
    path.write_text("")
    return str(path)


def args(event: JsonEvent) -> dict[str, object]:
    return {arg["name"]: arg["value"] for arg in event["args"]}


def test_a_finding_is_an_event(tracee: Tracee, folder: Path) -> None:
    with tracee.run(*write(folder, FOUND), "--events", "opened_mark", "--output", "json") as run:
        touch(folder, "other")
        path = touch(folder, "mark")
        events = run.stop()
    assert {event["eventName"] for event in events} == {"opened_mark"}
    event = events[0]
    assert args(event) == {"path": path, "count": -1, "all": ["a", "b"], "more": {"deep": [1, True, None]}}
    assert [arg["type"] for arg in event["args"]] == ["const char*", "int", "const char**", "object"]
    assert (event["eventId"], event["hostProcessId"]) == ("TEST-1", os.getpid())
    assert event["detection"]["name"] == "Opened"
    assert event["detection"]["tags"] == ["linux"]
    trigger = event["triggeredBy"]
    assert (trigger["eventName"], args(trigger)["pathname"]) == ("security_file_open", path)
    assert trigger["timestamp"] == event["timestamp"]
    assert "detection" not in trigger


def test_in_the_table(tracee: Tracee, folder: Path) -> None:
    with tracee.run(*write(folder, FOUND), "--events", "opened_mark") as run:
        path = touch(folder, "mark")
        assert run.end() == 0
        lines = run.stdout.splitlines()
    assert len(lines) == 2
    assert " opened_mark      host " in lines[1]
    shown = f'path: {path}, count: -1, all: ["a", "b"], more: {{"deep":[1,true,null]}} from security_file_open: '
    assert shown in lines[1]


def test_what_nobody_asks_for_never_comes(tracee: Tracee, folder: Path) -> None:
    with tracee.run(*write(folder, FOUND), "--events", "opened_mark", "--output", "json", "--stats") as run:
        for number in range(200):
            touch(folder, f"other{number}")
        touch(folder, "mark")
        events = run.stop()
    statistics = json.loads(run.stderr.splitlines()[-1])["stats"]
    assert len(events) == 1
    assert statistics["read"] < 20, "the kernel keeps opens that no signature selects"
    assert statistics["signatures"]["opened_mark"]["events"] == statistics["findings"] == 1


def test_opens_that_no_detection_cares_about_never_come(tracee: Tracee, folder: Path) -> None:
    """With the default events, which all built-in detections are among."""
    plain = folder / "plain"
    plain.touch()
    deed = (
        "import os, sys\n"
        "for _ in range(20000):\n"
        "    os.close(os.open(sys.argv[1], os.O_RDONLY))\n"
        "    os.close(os.open(sys.argv[1], os.O_RDWR))\n"
        "os.memfd_create('mark')\n"
    )
    with tracee.run("--output", "json", "--stats") as run:
        opener = subprocess.Popen([sys.executable, "-I", "-S", "-c", deed, plain])
        assert opener.wait() == 0
        events = run.stop()
    assert any(e["eventName"] == "memfd_create" and e["hostProcessId"] == opener.pid for e in events)
    # others do things meanwhile, but not so many
    assert json.loads(run.stderr.splitlines()[-1])["stats"]["read"] < 10_000


def test_findings_of_findings(tracee: Tracee, folder: Path) -> None:
    with tracee.run(*write(folder, FOUND, FOLLOWING), "--events", "followed", "--output", "json") as run:
        touch(folder, "mark1")
        path = touch(folder, "mark2")
        events = run.stop()
    assert [event["eventName"] for event in events] == ["followed"], "what leads to it is not shown unasked"
    assert args(events[0]) == {"name": path, "inner": "security_file_open"}
    assert events[0]["triggeredBy"]["eventName"] == "opened_mark"
    assert events[0]["triggeredBy"]["triggeredBy"]["eventName"] == "security_file_open"


def test_no_endless_loop(tracee: Tracee, folder: Path) -> None:
    loop = """
        class Loop(Signature):
            metadata = Metadata(id="TEST-3", name="Loop", event_name="loop", description="")
            selected = (Selected("opened_mark"), Selected("loop"))

            def on_event(self, event):
                self.found(event)
    """
    with tracee.run(*write(folder, FOUND, loop), "--events", "loop", "--output", "json", "--stats") as run:
        touch(folder, "mark")
        events = run.stop()
    assert len(events) == 4, "opened_mark is the first of the five that may lead to each other"
    assert json.loads(run.stderr.splitlines()[-1])["stats"]["findingsTooDeep"] == 1


def test_filters_of_findings(tracee: Tracee, folder: Path) -> None:
    flags = write(folder, FOUND)
    wanted = "--events", "opened_mark", "--filter", "data.path=*2", "--scope", "comm=cat", "--output", "json"
    (folder / "mark1").touch()
    (folder / "mark2").touch()
    with tracee.run(*flags, *wanted) as run:
        subprocess.run(["cat", folder / "mark1", folder / "mark2"], check=True)
        touch(folder, "mark2")
        events = run.stop()
    assert [args(event)["path"] for event in events] == [str(folder / "mark2")]
    assert events[0]["processName"] == "cat"


@pytest.mark.parametrize("follow", [True, False])
def test_a_scope_that_only_the_kernel_knows(tracee: Tracee, folder: Path, follow: bool) -> None:
    """The scope of a finding is that of the event that led to it."""
    flags = write(folder, FOUND)
    (folder / "mark").touch()
    scope = ("--scope", "comm=sh", *(("--scope", "follow") if follow else ()))
    with tracee.run(*flags, "--events", "opened_mark", *scope, "--output", "json") as run:
        subprocess.run(["sh", "-c", f"cat {folder}/mark; read x < {folder}/mark || true"], check=True)
        subprocess.run(["cat", folder / "mark"], check=True)
        events = run.stop()
    assert sorted(event["processName"] for event in events) == (["cat", "sh"] if follow else ["sh"])


def test_in_a_tree_of_processes(tracee: Tracee, folder: Path) -> None:
    flags = write(folder, FOUND)
    (folder / "mark").touch()
    shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, text=True)
    with tracee.run(*flags, "--events", "opened_mark", "--scope", f"tree={shell.pid}", "--output", "json") as run:
        shell.communicate(f"cat {folder}/mark\n")
        touch(folder, "mark")
        events = run.stop()
    assert [event["processName"] for event in events] == ["cat"]


def test_policies_name_findings(tracee: Tracee, folder: Path) -> None:
    flags = write(folder, FOUND)
    policies = folder / "policies.yaml"
    document = textwrap.dedent(
        """\
        apiVersion: tracee.aquasec.com/v1beta1
        kind: Policy
        metadata: {name: NAME}
        spec:
          scope: [SCOPE]
          rules:
            - event: opened_mark
              filters: [FILTERS]
        ---
        """
    )
    made = [
        ("everywhere", "global", ""),
        ("of-cat", "comm=cat", ""),
        ("rule-of-cat", "global", "comm=cat"),
        ("second", "global", "data.path=*2"),
        ("contained", "container", ""),
    ]
    texts = [
        document.replace("NAME", name).replace("SCOPE", scope).replace("FILTERS", text) for name, scope, text in made
    ]
    policies.write_text("".join(texts))
    (folder / "mark1").touch()
    with tracee.run(*flags, "--policy", str(policies), "--output", "json") as run:
        subprocess.run(["cat", folder / "mark1"], check=True)
        touch(folder, "mark2")
        first, second = run.stop()
    assert first["policies"]["matched"] == ["everywhere", "of-cat", "rule-of-cat"]
    assert second["policies"]["matched"] == ["everywhere", "second"]


def test_beside_the_event_itself(tracee: Tracee, folder: Path) -> None:
    """A policy that filters the event which leads to a finding does not narrow the finding."""
    flags = write(folder, FOUND)
    words = "--events", "opened_mark,security_file_open", "--filter", "data.pathname=*/mark1", "--scope", "comm=cat"
    (folder / "mark1").touch()
    (folder / "mark2").touch()
    with tracee.run(*flags, *words, "--output", "json") as run:
        subprocess.run(["cat", folder / "mark1", folder / "mark2"], check=True)
        events = run.stop()
    names = [(e["eventName"], str(args(e).get("path") or args(e)["pathname"])[-1]) for e in events]
    assert sorted(names) == [("opened_mark", "1"), ("opened_mark", "2"), ("security_file_open", "1")]


def test_policies_replaced(tracee: Tracee, folder: Path) -> None:
    """The same signature goes on over a reload, and another begins with it."""
    counting = """
        class Counting(Signature):
            metadata = Metadata(id="TEST-4", name="Counting", event_name="counted", description="",
                                fields=(Field("n", "int"),))
            selected = (Selected("security_file_open", "data.pathname={folder}/mark*"),)
            count = 0

            def on_event(self, event):
                self.count += 1
                self.found(event, n=self.count)
    """
    flags = write(folder, FOUND, counting)
    policy = folder / "policy.yaml"

    def select(*events: str) -> None:
        rules = ", ".join(f"{{event: {event}}}" for event in events)
        spec = f"spec: {{scope: [global], rules: [{rules}]}}"
        head = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: p}\n"
        policy.write_text(f"{head}{spec}\n", encoding="utf-8")

    select("counted")
    with tracee.run(*flags, "--policy", str(policy), "--output", "json") as run:
        touch(folder, "mark1")
        wait_until(lambda: len(run.events_so_far()) == 1, "the first finding")
        select("counted", "opened_mark")
        run.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "policies are replaced" in run.stderr, "the reload")
        touch(folder, "mark2")
        events = run.stop()
    assert [(e["eventName"], args(e).get("n")) for e in events][:1] == [("counted", 1)]
    assert sorted((e["eventName"], args(e).get("n")) for e in events[1:]) == [("counted", 2), ("opened_mark", None)]


def test_what_goes_wrong_stays_in_it(tracee: Tracee, folder: Path) -> None:
    broken = """
        class Broken(Signature):
            metadata = Metadata(id="TEST-5", name="Broken", event_name="broken", description="")
            selected = (Selected("security_file_open", "data.pathname={folder}/mark*"),)

            def on_event(self, event):
                raise ValueError("as it happens")
    """
    with tracee.run(
        *write(folder, FOUND, broken), "--events", "broken,opened_mark", "--output", "json", "--stats"
    ) as run:
        for number in range(15):
            touch(folder, f"mark{number}")
        wait_until(lambda: len(run.events_so_far()) == 15, "all findings of the other")
        run.stop()
    assert run.stderr.count("ValueError: as it happens") == 10
    assert "own.py" in run.stderr, "the traceback"
    assert "ERROR signature broken is switched off: it failed 10 times" in run.stderr
    assert json.loads(run.stderr.splitlines()[-1])["stats"]["signatures"]["broken"]["errors"] == 10


def test_one_that_hangs(tracee: Tracee, folder: Path) -> None:
    """The tracer goes on; who hangs is interrupted and switched off, and the others are given their events."""
    hanging = """
        class Hanging(Signature):
            metadata = Metadata(id="TEST-6", name="Hanging", event_name="a_hanging", description="")
            selected = (Selected("security_file_open", "data.pathname={folder}/mark*"),)

            def on_event(self, event):
                while True:
                    pass
    """
    words = "--events", "a_hanging,opened_mark,getppid", "--scope", "comm=python*,pytest*", "--output", "json"
    with tracee.run(*write(folder, hanging, FOUND), *words) as run:
        touch(folder, "mark")
        os.getppid()
        wait_until(lambda: any(e["eventName"] == "getppid" for e in run.events_so_far()), "an event meanwhile")
        wait_until(lambda: any(e["eventName"] == "opened_mark" for e in run.events_so_far()), "the other's finding")
        run.stop()
    assert "ERROR signature a_hanging is switched off: it has not come back for 10 s" in run.stderr


def test_signals(tracee: Tracee, folder: Path) -> None:
    watching = """
        class Watching(Signature):
            metadata = Metadata(id="TEST-7", name="Watching", event_name="watched", description="",
                                fields=(Field("what"), Field("pid", "int")))
            selected = (Selected("security_file_open", "data.pathname={folder}/mark*"),)
            watches_processes = True

            def init(self, ctx):
                self.ctx = ctx
                self.kept, self.told = {}, []

            def on_event(self, event):
                self.kept[event.host_pid] = event

            def on_signal(self, signal):
                if signal.kind is SignalKind.PROCESS_GONE and signal.pid in self.kept:
                    process = self.ctx.processes.get(signal.pid, signal.start_time)
                    self.found(self.kept.pop(signal.pid), what=f"gone {process.exit_code}", pid=signal.pid)
                elif signal.kind is SignalKind.SHUTDOWN:
                    for pid, event in self.kept.items():
                        self.found(event, what="shutdown", pid=pid)

            def close(self):
                self.ctx.logger.error("closed")
    """
    (folder / "mark").touch()
    with tracee.run(*write(folder, watching), "--events", "watched", "--output", "json") as run:
        reader = subprocess.Popen(["sh", "-c", f"read x < {folder}/mark; exit 3"])
        reader.wait()
        wait_until(lambda: len(run.events_so_far()) == 1, "the end of the process")
        touch(folder, "mark")
        events = run.stop()
    assert [args(event) for event in events] == [
        {"what": "gone 3", "pid": reader.pid},
        {"what": "shutdown", "pid": os.getpid()},
    ]
    assert "closed" in run.stderr


@pytest.fixture
def own_signatures() -> Iterator[None]:
    """Of this process: none is left to other tests."""
    yield
    known.use_folders(())
    forget_findings()


def test_from_python(can_trace: None, folder: Path, own_signatures: None) -> None:
    flags = write(folder, FOUND)
    with api.trace(["opened_mark"], signatures_dirs=[flags[1]]) as trace:
        (folder / "mark").touch()  # by ourselves, whom we do not trace
        reader = subprocess.Popen(["cat", folder / "mark"])
        event = next(iter(trace))
    assert (event.name, event.id, event.host_pid) == ("opened_mark", "TEST-1", reader.pid)
    assert reader.wait() == 0
    assert event.args["more"] == {"deep": [1, True, None]}
    assert event.triggered_by is not None
    assert event.triggered_by.args["pathname"] == event.args["path"] == str(folder / "mark")
    assert event.detection is not None
    assert event.detection["id"] == "TEST-1"
    assert json.loads(event.to_json())["triggeredBy"]["eventName"] == "security_file_open"


def test_none_is_imported_unasked() -> None:
    """The start of who asks for none is no longer for them."""
    code = (
        "import sys; sys.path.insert(0, 'src'); from tracee.cli.flags import parse; from tracee.cli.run import plan_of;"
        "plan_of(parse(['--events', WORD])[1]);"
        "print([name for name in sys.modules if 'signatures' in name or '.detect.' in name])"
    )
    for word, some in (("getppid", False), ("syscalls", False), ("container_escape", True)):
        shown = subprocess.run(
            [sys.executable, "-c", code.replace("WORD", repr(word))], capture_output=True, text=True, check=True
        ).stdout
        assert (shown != "[]\n") == some, shown
