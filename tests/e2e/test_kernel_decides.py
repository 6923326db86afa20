"""What scopes and filters turn away does not leave the kernel: the records that reach user space are counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import JsonEvent, Tracee

POLICY = """
apiVersion: tracee.aquasec.com/v1beta1
kind: Policy
metadata: {{name: {name}}}
spec:
  scope: [{scope}]
  rules: [{rules}]
---
"""


def deed(tracee: Tracee, script: str, *arguments: str | Path, name: str = "deed") -> None:
    """Runs a Python script in a program that nothing else is called like."""
    program = tracee.folder / name
    if not program.exists():
        shutil.copy(os.path.realpath(sys.executable), program)
    command = [program, "-I", "-S", "-c", "import os, sys\n" + script, *arguments]
    subprocess.run(command, check=True, timeout=60)


def trace(tracee: Tracee, flags: Sequence[str], script: str, *arguments: str | Path) -> tuple[list[JsonEvent], int]:
    """What was told of the deed, and how many records reached user space for that."""
    with tracee.run(*flags, "--output", "json", "--stats") as run:
        deed(tracee, script, *arguments)
        events = run.stop()
        told = next(line for line in run.stderr.splitlines() if line.startswith('{"stats"'))
        return events, json.loads(told)["stats"]["read"]


OPENS = """
for _ in range(200):
    os.close(os.open(sys.argv[1] + '/other', os.O_RDONLY))
    try: os.open(sys.argv[1] + '/missing', os.O_RDONLY)
    except FileNotFoundError: pass
for _ in range(3):
    os.close(os.open(sys.argv[1] + '/secret.key', os.O_RDWR | os.O_APPEND))
"""


@pytest.mark.parametrize("event", ["openat", "security_file_open"])
@pytest.mark.parametrize(
    "filters",
    [
        ["data.pathname={folder}/secret.key"],
        ["data.pathname={folder}/sec*"],
        ["data.pathname=*.key,*.pem"],
        ["data.pathname!=*other,*missing,/usr/*,/etc/*,/proc/*,/root/*,/lib/*,/opt/*,*/deed,/dev/*"],
        ["data.flags=O_APPEND"],
        ["data.flags=O_RDWR", "data.pathname={folder}/*"],
    ],
    ids=["exact", "prefix", "suffix", "not", "flag", "mode"],
)
def test_filters(tracee: Tracee, event: str, filters: list[str]) -> None:
    for name in ("other", "secret.key"):
        (tracee.folder / name).touch()
    flags = [word for text in filters for word in ("--filter", text.format(folder=tracee.folder))]
    events, read = trace(tracee, ["--events", event, "--scope", "comm=deed", *flags], OPENS, tracee.folder)
    told = [arg["value"] for e in events for arg in e["args"] if arg["name"] == "pathname"]
    # the program's own start opens files, too
    assert read == len(events) if "!" in filters[0] else 3
    assert read < 100
    names = [Path(path).name for path in told]
    assert (names.count("secret.key"), names.count("other"), names.count("missing")) == (3, 0, 0)


@pytest.mark.parametrize("filter", ["retval<0", "retval=ENOENT", "retval=-2"])
def test_return_values(tracee: Tracee, filter: str) -> None:
    (tracee.folder / "other").touch()
    (tracee.folder / "secret.key").touch()
    path = f"data.pathname={tracee.folder}/missing,{tracee.folder}/other"
    flags = ["--events", "openat", "--scope", "comm=deed", "--filter", filter, "--filter", path]
    events, read = trace(tracee, flags, OPENS, tracee.folder)
    assert (len(events), read) == (200, 200)


def test_rules_that_narrow_their_policy(tracee: Tracee) -> None:
    """64 rules for one event, each for a name of its own: none of the others' events leaves the kernel."""
    names = [f"nobody-{i}" for i in range(61)]
    rules = ", ".join(f"{{event: getppid, filters: [comm={name}]}}" for name in [*names, "deed"])
    own = POLICY.format(name="narrow", scope="global", rules=rules)
    beside = POLICY.format(name="beside", scope="comm=deed", rules="{event: getppid, filters: [retval=1]}")
    (tracee.folder / "policies.yaml").write_text(own + beside, encoding="utf-8")
    script = "for _ in range(5): os.getppid()"
    events, read = trace(tracee, ["--policy", str(tracee.folder / "policies.yaml")], script)
    assert {tuple(e["policies"]["matched"]) for e in events} == {("narrow",)}
    assert (len(events), read) == (5, 5)


def test_rules_beyond_the_64_that_the_kernel_decides(tracee: Tracee) -> None:
    rules = ", ".join(f"{{event: getuid, filters: [comm=nobody-{i}]}}" for i in range(80))
    mine = "{event: getuid, filters: [comm=deed, uid=0, executable=*/deed]}, {event: getuid, filters: [comm=x]}"
    text = POLICY.format(name="many", scope="global", rules=f"{rules}, {mine}")
    (tracee.folder / "policies.yaml").write_text(text, encoding="utf-8")
    events, _ = trace(tracee, ["--policy", str(tracee.folder / "policies.yaml")], "for _ in range(5): os.getuid()")
    assert [e["processName"] for e in events] == ["deed"] * len(events)
    assert len(events) >= 5


HOSTS = """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
assert c.unshare(0x04000000) == 0
os.getppid()
for name in (b'tracee-uts-a', b'tracee-uts-b', b'tracee-other'):
    assert c.sethostname(name, len(name)) == 0
    os.getppid()
"""


@pytest.mark.parametrize(("scope", "count"), [("uts=tracee-uts-a", 1), ("uts=tracee-uts-*", 2), ("uts!=tracee-*", 1)])
def test_host_names(tracee: Tracee, scope: str, count: int) -> None:
    flags = ["--events", "getppid", "--scope", "comm=deed", "--scope", scope]
    events, read = trace(tracee, flags, HOSTS)
    assert (len(events), read) == (count, count)
