"""Policies are replaced while tracing goes on: nothing of those that stay is lost, and nothing is told twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

from conftest import JsonEvent, Run, Tracee, wait_until

DEED = """
import os, sys
print('ready', flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        os.getppid()
    print('done', flush=True)
"""


def policy(name: str, *rules: str, scope: str = "comm=deed") -> str:
    """The text of a policy."""
    lines = "\n".join(f"    - {rule}" for rule in rules)
    return (
        "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\n"
        f"metadata: {{name: {name}}}\nspec:\n  scope: [{scope}]\n  rules:\n{lines}\n---\n"
    )


class Deed:
    """A program that calls getppid as often as it is told to."""

    def __init__(self, folder: Path) -> None:
        program = folder / "deed"
        if not program.exists():
            shutil.copy(os.path.realpath(sys.executable), program)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, "-I", "-S", "-c", DEED], stdin=pipe, stdout=pipe, text=True)
        assert self._line() == "ready\n"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def calls(self, count: int) -> None:
        """Makes so many calls, and waits until they are done."""
        self.begin(count)
        assert self._line() == "done\n"

    def begin(self, count: int) -> None:
        """Has it make calls while we do something else."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()

    def __enter__(self) -> Deed:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def matched(events: list[JsonEvent], name: str) -> Counter[tuple[str, ...]]:
    """How many events of that name each set of policies has matched."""
    return Counter(tuple(e["policies"]["matched"]) for e in events if e["eventName"] == name)


def replace(run: Run, file: Path, text: str, *, expect: str = "policies are replaced") -> None:
    """Gives the file another text and has tracee read it."""
    before = run.stderr.count(expect)
    file.write_text(text, encoding="utf-8")
    run.process.send_signal(signal.SIGHUP)
    wait_until(lambda: run.stderr.count(expect) > before, expect)


def test_what_stays_is_traced_without_a_gap(tracee: Tracee) -> None:
    file = tracee.folder / "policies.yaml"
    stays, one = policy("stays", "event: getppid"), policy("one", "event: getppid")
    # beyond what is loaded at the start: a system call, kernel events, a program at every call
    more = policy("more", "event: getuid", "event: security_file_open", "event: commit_creds", "event: getppid")
    file.write_text(stays + one, encoding="utf-8")
    count = 200_000
    with tracee.run("--policy", str(file), "--output", "json", "--perf-buffer-size", "8192") as run:
        with Deed(tracee.folder) as deed:
            deed.begin(count)
            for text in (stays + more, stays, more + stays, stays + one):
                replace(run, file, text)
            assert deed._line() == "done\n"
            deed.calls(10)
        found = matched(run.stop(), "getppid")
        assert "events lost" not in run.stderr
    assert sum(number for names, number in found.items() if "stays" in names) == count + 10
    assert found[("stays", "one")] >= 10
    assert set(found) <= {("stays", "one"), ("stays", "more"), ("more", "stays"), ("stays",)}


def test_new_events_are_told_once_and_old_ones_no_more(tracee: Tracee) -> None:
    file = tracee.folder / "policies.yaml"
    secret, reader = tracee.folder / "secret", tracee.folder / "deedcat"
    secret.write_text("", encoding="utf-8")
    shutil.copy(os.path.realpath(shutil.which("cat") or ""), reader)
    opens = policy("opens", f"{{event: security_file_open, filters: [data.pathname={secret}]}}", scope="comm=deedcat")
    file.write_text(policy("calls", "event: getppid") + opens, encoding="utf-8")
    with tracee.run("--policy", str(file), "--output", "json") as run, Deed(tracee.folder) as deed:
        deed.calls(3)
        replace(run, file, policy("execs", "event: sched_process_exec", scope="comm=deedcat") + opens)
        deed.calls(5)
        subprocess.run([reader, secret], check=True)
        replace(run, file, policy("calls", "event: getppid") + opens)
        deed.calls(7)
        subprocess.run([reader, secret], check=True)
        events = run.stop()
    assert matched(events, "getppid") == {("calls",): 10}
    assert matched(events, "sched_process_exec") == {("execs",): 1}
    assert matched(events, "security_file_open") == {("opens",): 2}


def test_whom_a_policy_follows_it_goes_on_to_follow(tracee: Tracee) -> None:
    file = tracee.folder / "policies.yaml"
    follows = policy("follows", "event: getppid", scope="comm=first, follow")
    file.write_text(follows, encoding="utf-8")
    script = "import os, subprocess, sys\nopen('/proc/self/comm', 'w').write('first')\n"
    script += (
        f"child = subprocess.Popen([{str(tracee.folder / 'deed')!r}, '-I', '-S', '-c', {textwrap.dedent(DEED)!r}])\n"
    )
    script += "open('/proc/self/comm', 'w').write('last')\nchild.wait()\n"
    shutil.copy(os.path.realpath(sys.executable), tracee.folder / "deed")
    with tracee.run("--policy", str(file), "--output", "json") as run:
        pipe = subprocess.PIPE
        command = [sys.executable, "-I", "-S", "-c", script]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as parent:
            assert parent.stdin is not None and parent.stdout is not None
            assert parent.stdout.readline() == "ready\n"
            for text in (follows + policy("other", "event: getuid"), policy("before", "event: getuid") + follows):
                replace(run, file, text)
                parent.stdin.write("4\n")
                parent.stdin.flush()
                assert parent.stdout.readline() == "done\n"
            parent.stdin.close()
        events = run.stop()
    assert sum(e["processName"] == "deed" for e in events if e["eventName"] == "getppid") >= 8
    assert all("follows" in e["policies"]["matched"] for e in events if e["eventName"] == "getppid")


def test_a_bad_set_is_refused_whole(tracee: Tracee) -> None:
    file = tracee.folder / "policies.yaml"
    good = policy("calls", "event: getppid")
    file.write_text(good, encoding="utf-8")
    with tracee.run("--policy", str(file), "--output", "json") as run, Deed(tracee.folder) as deed:
        bad = policy("new", "event: getuid") + policy("bad", "event: getppid_", "event: opnat")
        replace(run, file, bad, expect="not replaced")
        assert 'policies.yaml:15: unknown event "getppid_" (nearest: getppid)' in run.stderr
        assert 'policies.yaml:16: unknown event "opnat" (nearest: openat)' in run.stderr
        deed.calls(2)
        events = run.stop()
    assert matched(events, "getppid") == {("calls",): 2}


def test_changed_files_are_read_by_themselves(tracee: Tracee) -> None:
    folder = tracee.folder / "policies"
    folder.mkdir()
    (folder / "a.yaml").write_text(policy("a", "event: getuid"), encoding="utf-8")
    with (
        tracee.run("--policy", str(folder), "--watch-policies", "--output", "json") as run,
        Deed(tracee.folder) as deed,
    ):
        (folder / "b.yaml").write_text(policy("b", "event: getppid"), encoding="utf-8")
        wait_until(lambda: "policies are replaced: 2 in use" in run.stderr, "the new policy")
        deed.calls(2)
        (folder / "b.yaml").unlink()
        wait_until(lambda: "policies are replaced: 1 in use" in run.stderr, "the end of the policy")
        deed.calls(2)
        events = run.stop()
    assert matched(events, "getppid") == {("b",): 2}
