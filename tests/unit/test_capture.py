"""--capture: its words."""

from __future__ import annotations

import json

import pytest

from tracee.capture import FOLDER, CaptureSettings, parse_captures
from tracee.cli.flags import parse
from tracee.errors import InputError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], CaptureSettings()),
        (["net"], CaptureSettings(packets=True)),
        (["net:single"], CaptureSettings(packets=True, split="single")),
        (["net:96"], CaptureSettings(packets=True, packet_bytes=96)),
        (["net:container:96"], CaptureSettings(packets=True, split="container", packet_bytes=96)),
        (["net:command", "net:1"], CaptureSettings(packets=True, split="command", packet_bytes=1)),
    ],
)
def test_words(texts: list[str], expected: CaptureSettings) -> None:
    assert parse_captures(texts, None) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nets", "nearest: net"),
        ("net:singel", "nearest: single"),
        ("net:0", "from 1"),
        ("net:65536", "to 65535"),
        ("", ""),
    ],
)
def test_words_that_mean_nothing(text: str, hint: str) -> None:
    with pytest.raises(InputError, match="--capture") as caught:
        parse_captures([text], None)
    assert hint in str(caught.value)


def test_the_folder_is_said_in_either_way() -> None:
    def folder(*arguments: str) -> str:
        return parse(["--capture", "net", *arguments])[1].capture.folder

    assert folder() == FOLDER
    assert folder("--capture-dir", "/tmp/a") == "/tmp/a"
    assert folder("--output", "option:capture-dir=/tmp/b") == "/tmp/b"
    assert folder("--output", "option:capture-dir=/tmp/b", "--capture-dir", "/tmp/a") == "/tmp/a"


def test_as_the_core_reads_it() -> None:
    settings = CaptureSettings(packets=True, split="command", packet_bytes=64, folder="/tmp/a")
    assert json.loads(settings.to_json()) == {"folder": "/tmp/a", "split": "command", "snap_length": 64}
    assert "snap_length" not in json.loads(CaptureSettings().to_json())
