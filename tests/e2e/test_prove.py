"""tracee doctor --prove: what is to be seen is done, and seen."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMAND, Tracee, wait_until
from kernel_events import ATTACH

from tracee.doctor.proof import MARKER, Doer, all_deeds, prove
from tracee.events import kinds
from tracee.kernel import KernelSettings, load
from tracee.policy import plan_from_flags

FOUND_BY_ANY_WAY = {
    "cap_capable",
    "commit_creds",
    "do_exit",
    "do_mmap",
    "do_sigaction",
    "do_truncate",
    "mem_prot_alert",
    "sched_process_exec",
    "sched_process_exit",
    "sched_process_fork",
    "security_bpf",
    "security_bprm_check",
    "security_file_mprotect",
    "security_file_open",
    "security_inode_rename",
    "security_inode_unlink",
    "security_sb_mount",
    "security_socket_accept",
    "security_socket_bind",
    "security_socket_connect",
    "security_task_prctl",
    "set_fs_pwd",
    "switch_task_ns",
    "task_rename",
    "vfs_read",
    "vfs_write",
}
"""Some of the kinds of events that every kernel and every way must see done."""


@pytest.fixture(scope="module")
def proven(can_trace: None) -> Iterator[dict[str, Any]]:
    """What one run told."""
    command = [*COMMAND, "doctor", "--prove", "--output", "json", "--attach", ATTACH]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    report = json.loads(done.stdout)
    unseen = [proof for proof in report["proof"] if proof["outcome"] == "unseen" and not proof["stated"]]
    assert not unseen
    assert done.returncode == 0, done.stderr
    yield report


def test_what_is_claimed_is_seen(proven: dict[str, Any]) -> None:
    seen = {proof["event"] for proof in proven["proof"] if proof["outcome"] == "seen"}
    assert seen >= FOUND_BY_ANY_WAY
    assert len(seen) >= 50
    assert proven["proof"][0].keys() >= {"event", "deed", "variant", "outcome", "why", "way", "missing", "stated"}


def test_every_deed_is_accounted_for(proven: dict[str, Any]) -> None:
    told = [(proof["event"], proof["deed"], proof["variant"]) for proof in proven["proof"]]
    assert told == [(deed.event, deed.name, deed.variant) for deed in all_deeds()]
    for proof in proven["proof"]:
        assert proof["why"] or proof["outcome"] == "seen", proof
        assert "at fault" not in proof["why"], proof


def test_every_manner_of_asking_is_tried(proven: dict[str, Any]) -> None:
    variants = {proof["variant"] for proof in proven["proof"] if proof["outcome"] == "seen"}
    assert variants >= {"call", "thread"}
    whys = " ".join(proof["why"] for proof in proven["proof"] if proof["outcome"] == "skipped")
    if platform.machine() == "x86_64" and "takes no 32-bit calls" not in whys:
        assert "int 0x80" in variants
    opened = {p["variant"]: p for p in proven["proof"] if p["event"] == "security_file_open" and p["deed"] == "openat"}
    for variant in ("io_uring", "io_uring, by a worker", "io_uring, polled by the kernel"):
        assert opened[variant]["outcome"] == "seen" or "io_uring" in opened[variant]["why"], opened[variant]


def proofs() -> list[Path]:
    """Folders of proofs that go on."""
    return list(Path(tempfile.gettempdir()).glob("tracee-proof-*"))


def test_nothing_is_left(proven: dict[str, Any]) -> None:
    assert not proofs()
    assert not [path for path in Path("/sys/fs/cgroup").rglob("tracee-*") if path.is_dir()]
    mounts = Path("/proc/self/mounts").read_text()
    assert "tracee-proof" not in mounts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_a_proof_that_is_broken_off(can_trace: None, number: signal.Signals) -> None:
    run = subprocess.Popen([*COMMAND, "doctor", "--prove"], stdout=subprocess.DEVNULL)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    wait_until(lambda: bool(children.read_text()), "the proof to begin")
    (folder,) = proofs()
    doers = [int(pid) for pid in children.read_text().split()]
    run.send_signal(number)
    assert run.wait(60) == (0 if number == signal.SIGINT else 128 + number)
    assert not folder.exists()
    assert not [pid for pid in doers if Path(f"/proc/{pid}").exists()]


def only(event: str, name: str) -> Doer:
    """Does one deed."""
    (deed,) = [d for d in all_deeds() if (d.event, d.label) == (event, name)]
    return Doer([deed])


@pytest.mark.parametrize("selected", [True, False])
def test_blindness_is_found(tracee: Tracee, selected: bool) -> None:
    """A deed whose event nobody asked for is not seen, though its way claims to; else it is."""
    event = "security_inode_unlink"
    with only(event, "unlink") as doer:
        events = [MARKER, *([event] if selected else [])]
        tracer = load(plan_from_flags(events, doer.scope), KernelSettings(attach=ATTACH))
        (proof,) = prove(tracer, doer, {event: (kinds()[event].attach[0], "", "")})
    assert (proof.outcome, proof.stated) == (("seen", False) if selected else ("unseen", False))
    assert proof.why == ("" if selected else "it was not told")


def test_a_deed_that_does_not_end_is_ended(tracee: Tracee, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracee.doctor.proof import doer as module

    monkeypatch.setattr(module, "_PATIENCE", 2000)
    (deed,) = [d for d in all_deeds() if (d.event, d.label) == ("task_rename", "prctl_name")]

    def forever(place: object, call: object) -> dict[str, object]:
        os.read(os.pipe()[0], 1)
        return {}

    with Doer([deed._replace(act=forever), deed]) as doer:
        tracer = load(plan_from_flags([MARKER, "task_rename"], doer.scope), KernelSettings())
        late, after = prove(tracer, doer, {"task_rename": ("tp_btf:task_rename", "", "")})
    assert (late.outcome, late.why) == ("skipped", "it did not end within 2 s")
    assert after.outcome == "seen"
