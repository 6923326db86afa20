"""tracee from Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, wait_until

import tracee

pytestmark = pytest.mark.usefixtures("can_trace")


def test_the_line_of_the_manual(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff"
    seen = []
    trace = tracee.trace(events=["execve"], scope=["uid=0"], filters=["data.argv=needle*"])
    child = subprocess.Popen(["/usr/bin/env", "needle-1", name], stderr=subprocess.DEVNULL)
    child.wait()
    for event in trace:
        seen.append((event.name, event.args["pathname"], event.host_pid))
        # env looks along the PATH and fails each time: the first that succeeded is its own exec
        assert event.args["argv"][-1] == os.fsdecode(name)
        break
    assert seen[0][0] == "execve"


def test_batches_and_fields(compile_c: Callable[[str], Path]) -> None:
    caller = compile_c("caller")
    with tracee.trace(events=["getppid"], scope=["comm=caller"]) as trace:
        child = subprocess.Popen([caller, "calls", "3000"])
        events: list[tracee.Event] = []
        for batch in trace.batches():
            events += batch
            if len(events) >= 3000:
                break
        child.wait()
    assert len(events) == 3000
    event = events[0]
    assert (event.name, event.id, event.args, event.return_value) == ("getppid", 110, {}, os.getpid())
    assert (event.pid, event.tid, event.ppid, event.uid) == (child.pid, child.pid, os.getpid(), 0)
    assert event.process_name == "caller"
    assert event.executable == str(caller)
    assert event.policies == []
    assert event.timestamp > event.thread_start_time > 1_700_000_000 * 10**9
    assert '"eventName":"getppid"' in event.to_json()
    assert repr(event) == f"<Event getppid pid={child.pid} return_value={os.getpid()}>"
    assert trace.lost == 0


def test_values_of_every_kind(tmp_path: Path) -> None:
    program = (
        "import os, socket, time\n"
        f"os.fchmod(os.open({str(tmp_path)!r}, os.O_RDONLY), 0o700)\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "try: s.connect('\\0nobody')\n"
        "except OSError: pass\n"
        "os.pipe()\n"
        "time.sleep(0.001)\n"
    )
    names = ["fchmod", "connect", "pipe2", "clock_nanosleep"]
    found: dict[str, tracee.Event] = {}
    with tracee.trace(events=names, scope=["comm=python3"]) as trace:
        subprocess.run(["/usr/bin/python3", "-S", "-c", program], check=True)
        for event in trace:
            found[event.name] = event
            if len(found) == len(names):
                break
    assert found["fchmod"].paths == {"fd": str(tmp_path)}
    assert found["connect"].args["addr"] == {"sa_family": "AF_UNIX", "sun_path": "@nobody"}
    assert found["connect"].return_value == -111
    first, second = found["pipe2"].args["pipefd"]
    assert second == first + 1
    assert found["clock_nanosleep"].args["request"] >= 0.001


def test_wrong_arguments_are_input_errors() -> None:
    with pytest.raises(tracee.InputError, match=r'unknown event "opnat" \(nearest: openat\)'):
        tracee.trace(events=["opnat"])
    with pytest.raises(tracee.InputError, match="unknown scope"):
        tracee.trace(events=["openat"], scope=["uidd=0"])


def test_closing_ends_the_iteration() -> None:
    trace = tracee.trace(events=["getppid"], scope=["comm=nobody-is-called-so"])
    trace.close()
    trace.close()
    assert list(trace) == []


def test_ctrl_c_comes_through() -> None:
    program = (
        "import tracee\n"
        "trace = tracee.trace(events=['getppid'], scope=['comm=nobody-is-called-so'])\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    for event in trace: pass\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert (out, child.returncode) == ("interrupted\n", 0)


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples" / "python").glob("*.py")))
def test_examples_run(example: str, tmp_path: Path, compile_c: Callable[[str], Path]) -> None:
    """Each prints something for a deed that it is about, and ends at Ctrl-C."""
    out = tmp_path / "out"
    with open(out, "w") as file:
        child = subprocess.Popen(
            [sys.executable, ROOT / "examples" / "python" / example], stdout=file, stderr=subprocess.PIPE, text=True
        )

    def deed_is_seen() -> bool:
        assert child.poll() is None
        subprocess.run(["/bin/sh", "-c", "cat /etc/shadow >/dev/null; ls /nonexistent 2>/dev/null; true"], check=True)
        subprocess.run([compile_c("caller"), "calls", "100"], check=True)
        return out.stat().st_size > 0

    wait_until(deed_is_seen, "the example to print")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 0, err


def test_policies_name_what_they_matched(can_trace: None, tmp_path: Path) -> None:
    policy = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: {name: parents}\nspec:\n"
    policy += f"  scope: [pid={os.getpid()}]\n  rules: [{{event: getppid}}]\n"
    (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
    script = f"""
import tracee
with tracee.trace(policies=[{str(tmp_path / "policy.yaml")!r}]) as trace:
    print("ready", flush=True)
    for event in trace:
        print(event.name, event.policies, flush=True)
        break
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as tracer:
        assert tracer.stdout is not None
        assert tracer.stdout.readline() == "ready\n"
        os.getppid()
        assert tracer.stdout.readline() == "getppid ['parents']\n"
