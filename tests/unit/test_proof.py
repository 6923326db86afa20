"""Proofs: what there is to do, how it is asked for, and how it is judged."""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from tracee.cli.proof import proof_table
from tracee.doctor import EventReport
from tracee.doctor.proof import Proof, all_deeds, all_unproven, registry
from tracee.doctor.proof.calls import Caller
from tracee.doctor.proof.doer import Done
from tracee.doctor.proof.judge import Told, judge
from tracee.doctor.proof.place import CannotBeDoneError, Place
from tracee.doctor.proof.program import program
from tracee.doctor.proof.prove import unowned_manners
from tracee.doctor.proof.registry import CALL, CALLS, INT80, RING, RING_POLLED, RINGS, THREAD, Deed, Expected
from tracee.doctor.proof.ring import PARAMETERS, REQUEST, RESULT, Ring
from tracee.events import catalogue

OPEN = "security_file_open"


# ---- what there is to do ----


def test_every_event_but_system_calls_has_a_deed_or_a_reason() -> None:
    events = {name for name, kind in catalogue().items() if kind.category not in ("syscalls", "control")}
    done, unproven = {deed.event for deed in all_deeds()}, set(all_unproven())
    assert events <= done | unproven
    assert not done & unproven
    assert done | unproven <= set(catalogue())


def test_deeds_have_names_of_their_own() -> None:
    keys = [(deed.event, deed.name, deed.variant) for deed in all_deeds()]
    assert len(keys) == len(set(keys))
    assert {deed.variant for deed in all_deeds()} == {*CALLS, *RINGS}


def test_what_a_deed_calls_blindness_some_way_states() -> None:
    for deed in all_deeds():
        if deed.variant in CALLS:
            stated = " ".join(catalogue()[deed.event].misses)
            assert not deed.misses or any(word in stated for word in deed.misses), deed


def test_a_function_is_all_that_a_deed_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    known = all_deeds()
    monkeypatch.setattr(registry, "_deeds", list(known))

    @registry.deed(OPEN, "do_truncate", by=[CALL, INT80], misses="opens that fail")
    def open_(place: Place, call: Caller) -> Expected:
        return {}

    added = all_deeds()[len(known) :]
    assert [(d.event, d.label) for d in added] == [
        (OPEN, "open"),
        (OPEN, "open by int 0x80"),
        ("do_truncate", "open"),
        ("do_truncate", "open by int 0x80"),
    ]


# ---- how it is asked for ----


def test_structures_of_io_uring() -> None:
    assert (REQUEST.size, PARAMETERS.size, RESULT.size) == (64, 120, 16)
    entry = REQUEST.pack(1, 2, 3, -4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
    assert struct.unpack_from("<i", entry, 4) == (-4,)  # fd
    assert struct.unpack_from("<QQII", entry, 8) == (5, 6, 7, 8)  # off, addr, len, flags of the operation
    assert struct.unpack_from("<Q", entry, 32) == (9,)  # user_data
    assert struct.unpack_from("<iQ", entry, 44) == (12, 13)  # splice_fd_in, addr3


@pytest.mark.parametrize("variant", RINGS)
def test_a_ring_answers_each_request(variant: str) -> None:
    try:
        ring = Ring(variant)
    except CannotBeDoneError as error:
        pytest.skip(str(error))
    no_operation, close = 0, 19
    assert [ring(no_operation) for _ in range(9)] == [0] * 9
    with pytest.raises(OSError) as refusal:
        ring(close, 1 << 20)
    assert refusal.value.errno == errno.EBADF
    os.close(ring.fd)


@pytest.mark.parametrize("variant", CALLS)
def test_calls(variant: str) -> None:
    if variant == INT80:
        if platform.machine() != "x86_64":
            pytest.skip("32-bit calls are made from 64-bit code on x86_64 alone")
        probe = Caller(INT80)
        if probe.child(lambda: probe("getppid")):
            pytest.skip("this kernel takes no 32-bit calls")
    call = Caller(variant)
    assert call("getppid") == os.getppid()
    at = call.room(8)
    reader, writer = os.pipe()
    assert call("write", writer, b"text", 4) == 4
    assert call("read", reader, at, 8) == 4
    with pytest.raises(OSError, match=r"openat: No such file") as refusal:
        call("openat", -100, "/absent", 0, 0)
    assert refusal.value.errno == errno.ENOENT
    assert call.words(-1, 0x80000000) == struct.pack("=iI" if call.compat else "=qq", -1, 0x80000000)
    with pytest.raises(CannotBeDoneError, match="no system call nonesuch"):
        call("nonesuch")
    with pytest.raises(CannotBeDoneError, match="did not fail"):
        call.refused("getppid")
    for fd in (reader, writer):
        os.close(fd)


def test_the_program_runs(tmp_path: Path) -> None:
    loader, path = tmp_path / "loader", tmp_path / "program"
    loader.write_bytes(program())
    path.write_bytes(program(str(loader)))
    for file in (loader, path):
        file.chmod(0o755)
        assert os.spawnv(os.P_WAIT, file, ["program"]) == 0


# ---- how it is judged ----


def done(expected: Expected | None, *misses: str, why: str = "") -> Done:
    def act(place: Place, call: Caller) -> Expected:
        return {}

    return Done(Deed(OPEN, "open", CALL, act, misses, False), expected, why)


FIELDS = ("pathname", "flags", "addr")
WAY = ("sys_exit:open", "opens that fail", "")
TOLD = Told({"pathname": "/a", "flags": 2, "addr": "0x1000"}, 5)


def test_seen() -> None:
    expected = {"pathname": "/a", "addr": 0x1000, "retval": 5, "not of this event": 1}
    proof = judge(done(expected), [Told({"pathname": "/b"}, 5), TOLD], WAY, FIELDS)
    assert (proof.outcome, proof.missing, proof.way) == ("seen", [], "sys_exit:open")


def test_seen_with_an_argument_unknown() -> None:
    proof = judge(done({"pathname": "/a", "flags": 2}), [Told({"pathname": "/a", "flags": None}, 0)], WAY, FIELDS)
    assert (proof.outcome, proof.missing) == ("seen", ["flags"])


def test_an_event_that_knows_nothing_proves_nothing() -> None:
    proof = judge(done({"pathname": "/a"}), [Told({"pathname": None}, 0)], WAY, FIELDS)
    assert (proof.outcome, proof.stated) == ("unseen", False)


def test_told_differently_is_not_seen() -> None:
    proof = judge(done({"pathname": "/c", "flags": 2}), [TOLD], WAY, FIELDS)
    assert (proof.outcome, proof.stated) == ("unseen", False)
    assert proof.why == "it was told, but pathname is '/a' rather than '/c'"


def test_structures_are_compared_by_what_is_expected_of_them() -> None:
    told = [Told({"addr": {"sin_addr": "1.2.3.4", "sin_port": 5}}, 0)]
    assert judge(done({"addr": {"sin_port": 5}}), told, WAY, FIELDS).outcome == "seen"
    assert judge(done({"addr": {"sin_port": 6}}), told, WAY, FIELDS).outcome == "unseen"


def test_blindness_is_stated_or_not() -> None:
    stated = judge(done({"pathname": "/a"}, "that fail"), [], WAY, FIELDS)
    assert (stated.outcome, stated.stated) == ("unseen", True)
    unstated = judge(done({"pathname": "/a"}, "that fail"), [], ("fentry:security_file_open", "", ""), FIELDS)
    assert (unstated.outcome, unstated.stated, unstated.why) == ("unseen", False, "it was not told")
    nothing = judge(done({"pathname": "/a"}), [], None, FIELDS)
    assert (nothing.outcome, nothing.stated, nothing.way) == ("unseen", True, None)


def test_what_is_told_of_somebody_else_is_stated() -> None:
    """Where it is told of the doer all the same, it is seen."""
    of_another = {CALL: "a thread of the kernel does it"}
    proof = judge(done({"pathname": "/c"}), [], WAY, FIELDS, of_another)
    assert (proof.outcome, proof.stated, proof.why) == ("unseen", True, "a thread of the kernel does it")
    assert judge(done({"pathname": "/a"}), [TOLD], WAY, FIELDS, of_another).outcome == "seen"


@pytest.mark.parametrize(
    ("release", "polled"),
    [("5.10.0-32-amd64", True), ("5.11", True), ("5.12.0", False), ("6.1.0-50-amd64", False), ("7.3.4+deb13", False)],
)
def test_rings_that_the_kernel_polls_are_not_their_process_before_5_12(release: str, polled: bool) -> None:
    assert (RING_POLLED in unowned_manners(release)) == polled


def test_a_deed_that_knows_nothing_of_its_event_proves_nothing() -> None:
    proof = judge(done({"not of this event": 1}), [TOLD], WAY, FIELDS)
    assert proof.outcome == "skipped"
    assert "at fault" in proof.why


def test_what_was_not_done_is_skipped() -> None:
    proof = judge(done(None, why="no such call"), [TOLD], WAY, FIELDS)
    assert (proof.outcome, proof.why) == ("skipped", "no such call")


def test_the_table() -> None:
    def proof(
        name: str, variant: str, outcome: str, why: str = "", *, missing: Sequence[str] = (), stated: bool = False
    ) -> Proof:
        return Proof(OPEN, name, variant, outcome, why, "sys_exit:open", list(missing), stated)

    proofs = [
        proof("open", CALL, "seen"),
        proof("open", RING, "seen", missing=["pathname"]),
        proof("open", INT80, "unseen", "it was not told"),
        proof("failing", CALL, "unseen", stated=True),
        proof("failing", THREAD, "unseen", stated=True),
        proof("other", CALL, "skipped", "no such call"),
    ]
    lines = proof_table([EventReport(OPEN, "lsm", "sys_exit:open", "opens that fail", "")], proofs)
    text = "\n".join(lines)
    assert lines[1].split("  ")[:3] == [OPEN, "sys_exit:open", "2 of 5"]
    assert lines[1].endswith("open by int 0x80 (NOT STATED), failing")
    assert "  security_file_open: pathname of open by io_uring" in lines
    assert "  security_file_open  opens that fail; open by int 0x80: it was not told" in lines
    assert "  no such call: security_file_open (other)" in lines
    assert "module would have to be loaded" in text
    assert lines[-1].startswith(
        "1 kinds of events proven: 2 deeds seen, 3 not, 1 of these although they should be; 1 not"
    )
