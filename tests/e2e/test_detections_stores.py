"""What signatures may ask of the host: containers, files, names of addresses; and what reaches them of containers."""

from __future__ import annotations

import hashlib
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Tracee, wait_until
from handmade import container
from test_detections import args, write

ASKING = """
class Asking(Signature):
    metadata = Metadata(id="TEST-20", name="Asking", event_name="asked", description="")
    selected = (Selected("security_file_open", "data.pathname={folder}/mark*"),
                Selected("net_tcp_connect"))

    def on_event(self, event):
        if event.name != "security_file_open":
            return
        path, ctx = event.args["pathname"], self.ctx
        self.found(event, sha256=ctx.files.sha256(event, path), gone=ctx.files.sha256(event, path + "_"),
                   folder=ctx.files.sha256(event, "{folder}"),
                   is_linked=ctx.files.is_file(event, path, "{folder}/link"),
                   is_other=ctx.files.is_file(event, path, "{folder}/other", "/etc/*"),
                   in_folder=ctx.files.is_file(event, path, "{folder}/linked/*"),
                   container=ctx.containers.get(event.container.get("id", "")), none=ctx.containers.get("x"),
                   name=ctx.dns.get("192.0.2.77"), no_name=ctx.dns.get("192.0.2.78"), no_address=ctx.dns.get("x"),
                   process=ctx.processes.get(event.host_pid).name)

    def on_signal(self, signal):
        if signal.kind is SignalKind.CONTAINER_GONE:
            self.ctx.logger.error("gone: %s", signal.container_id)
"""
ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.connect(("127.0.0.1", int(sys.argv[1])))
    asker.send(bytes.fromhex(sys.argv[2]))
    asker.recv(512)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "signatures").mkdir()
    return tmp_path


def test_what_is_known(tracee: Tracee, folder: Path) -> None:
    mark = folder / "mark"
    mark.write_bytes(b"content" * 1000)
    (folder / "other").touch()
    (folder / "link").symlink_to(mark)
    (folder / "linked").symlink_to(folder)
    question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\x04mark\x07example\0" + struct.pack("!2H", 1, 1)
    answer = struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0) + question[12:] + b"\xc0\x0c"
    answer += struct.pack("!2HIH", 1, 1, 300, 4) + socket.inet_aton("192.0.2.77")
    words = "--events", "asked", "--no-containers-enrich", "--output", "json"
    with tracee.run(*write(folder, ASKING), *words) as run:
        with container() as (cgroup, id):
            cgroup.run("cat", str(mark))
            wait_until(lambda: len(run.events_so_far()) == 1, "the finding in the container")
        wait_until(lambda: f"gone: {id}" in run.stderr, "the end of the container")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.settimeout(30)
            server.bind(("127.0.0.1", 53))
            asker = subprocess.Popen([sys.executable, "-I", "-S", "-c", ASK, "53", question.hex()])
            got, who = server.recvfrom(512)
            assert got == question
            server.sendto(answer, who)
            assert asker.wait() == 0

        def found() -> dict[str, object]:
            before = len(run.events_so_far())
            with open(mark, "rb"):
                wait_until(lambda: len(run.events_so_far()) > before, "a finding")
            return args(run.events_so_far()[-1])

        # the answer and the open come by different rings, so the first may be looked at before
        wait_until(lambda: found()["name"] is not None, "the name")
        on_host = found()
        inside = args(run.stop()[0])
    hashed = hashlib.sha256(mark.read_bytes()).hexdigest()
    for one in (inside, on_host):
        assert (one["sha256"], one["gone"], one["folder"]) == (hashed, None, None)
        assert (one["is_linked"], one["is_other"], one["in_folder"]) == (True, False, True)
        assert (one["none"], one["no_name"], one["no_address"]) == (None, None, None)
    known = inside["container"]
    assert isinstance(known, dict)
    assert (known["id"], inside["process"], inside["name"]) == (id, "cat", None)
    assert (on_host["container"], on_host["name"]) == (None, "mark.example")
