"""``tracee signatures test``: what a signature finds in saved events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracee.cli import main
from tracee.detect.saved import SavedEvent

EVENT = {
    "timestamp": 1_700_000_000_000_000_000,
    "processId": 7,
    "hostProcessId": 77,
    "userId": 0,
    "processName": "a\\xff",
    "executable": "/usr/bin/a",
    "container": {"id": "abc"},
    "kubernetes": {},
    "eventName": "openat",
    "eventId": "257",
    "returnValue": 3,
    "args": [
        {"name": "pathname", "type": "const char*", "value": "/etc/\\xfe"},
        {"name": "buf", "type": "void*", "value": "0x7f00"},
        {"name": "argv", "type": "const char**", "value": ["0x1", "b\\\\"]},
        {"name": "fd", "type": "int", "value": 3, "path": "/x"},
    ],
    "policies": {"matched": ["p"]},
}
SIGNATURE = """\
from tracee.detect import Field, Metadata, Selected, Signature

class Saved(Signature):
    metadata = Metadata(id="SAVED-1", name="Saved", event_name="saved_one", description="d", fields=(Field("path"),))
    selected = (Selected("openat", "retval>100"),)

    def on_event(self, event):
        if event.args["buf"] == 0x7F00:
            self.found(event, path=event.args["pathname"], uid=event.uid)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.py"
    path.write_text(SIGNATURE)
    return path


def test_an_event_as_signatures_see_it() -> None:
    event = SavedEvent(EVENT)
    assert event.args == {"pathname": "/etc/\udcfe", "buf": 0x7F00, "argv": ["0x1", "b\\"], "fd": 3}
    assert (event.paths, event.policies, event.container) == ({"fd": "/x"}, ["p"], {"id": "abc"})
    assert (event.process_name, event.id, event.host_pid, event.tid) == ("a\udcff", 257, 77, 7)
    assert json.loads(event.to_json()) == EVENT


def test_findings_are_printed(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = EVENT | {"eventName": "openat2"}
    saved = tmp_path / "events.json"
    saved.write_text(f"{json.dumps(EVENT)}\n\n{json.dumps(other)}\n")
    assert main(["signatures", "test", str(file), str(saved)]) == 0
    finding = json.loads(capsys.readouterr().out)
    assert (finding["eventName"], finding["eventId"], finding["hostProcessId"]) == ("saved_one", "SAVED-1", 77)
    assert finding["args"] == [
        {"name": "path", "type": "const char*", "value": "/etc/\\xfe"},
        {"name": "uid", "type": "unsigned long", "value": 0},
    ]
    assert finding["triggeredBy"] == EVENT
    assert finding["detection"]["id"] == "SAVED-1"
    assert finding["policies"] == {"matched": []}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", ":1: no event as --output json writes them: 'eventName' is missing"),
        ("\n[1]", ":2: no event as --output json writes them: "),
        ("not json", ":1: no event as --output json writes them: Expecting value"),
    ],
)
def test_what_is_no_event(file: Path, tmp_path: Path, text: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "events.json"
    saved.write_text(text)
    assert main(["signatures", "test", str(file), str(saved)]) == 1
    assert capsys.readouterr().err.startswith(f"ERROR {saved}{line}")
