"""``tracee config show``: what it prints can be read back, and tells no secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from tracee.cli import main
from tracee.config.show import without_secrets


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TRACEE_")]:
        monkeypatch.delenv(name)


def shown(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert main(["config", "show", *flags]) == 0
    return capsys.readouterr().out


def without_comments(text: str) -> str:
    return re.sub(r"  # .*", "", text)


def test_each_setting_says_where_it_was_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.yaml").write_text("# first\nscope: [uid=0, 'comm=a b']\nlog: {format: json}\n")
    monkeypatch.setenv("TRACEE_ATTACH", "lsm")
    text = shown(capsys, "--config", "c.yaml", "--sampling", "2.5", "--output", "json:/tmp/#x")
    for line in (
        "sampling: 2.5  # command line",
        "attach: lsm  # TRACEE_ATTACH",
        "perf-buffer-size: 1024  # default",
        "  - uid=0  # c.yaml:2",
        "  - comm=a b  # c.yaml:2",
        "  format: json  # c.yaml:3",
        "  level: warn  # default",
        "    - json:/tmp/#x  # command line",
        "  - default  # default",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    "flags",
    [
        [],
        [
            "-e",
            "openat,-close",
            "-e",
            "read",
            "-s",
            "uid=0",
            "-f",
            "data.pathname=/a: b#c",
            "--stats",
            "--no-process-tree",
        ],
        ["-o", "json", "-o", "table:/x", "-o", "option:exec-env,spool-size=1m", "--log", "option:log-file=/a b"],
        ["-o", "webhook:http://h/in?gzip=true&batch-events=5", "-o", "forward:tcp://h:1?tag=true", "--sampling", "1e1"],
        ["-s", "comm=true", "-s", "comm=[x", "--capture-dir", "007", "--capture", "net:64", "--runtime-sockets", "/a"],
    ],
)
def test_it_can_be_read_back(capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    first = shown(capsys, *flags)
    Path("shown.yaml").write_text(first)
    second = shown(capsys, "--config", "shown.yaml")
    assert without_comments(second) == without_comments(first)
    assert yaml.safe_load(first).keys() >= {"events", "output", "log"}


def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.yaml").write_text(
        """\
output:
  forward:
    - {protocol: webhook, url: "https://me:secret1@h/a/secret2?q=secret3", headers: {Authorization: secret4}}
    - {protocol: forward, url: "tcp://me:secret5@h", shared-key: secret6}
    - {protocol: webhook, url: "http://h/b?header=X-Key:secret7"}
"""
    )
    text = shown(capsys, "--config", "c.yaml")
    assert "secret" not in text
    assert 'Authorization: "***"' in text
    assert 'X-Key: "***"' in text
    assert without_secrets("http://h:1/in") == "http://h:1/in"


def test_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.yaml").write_text("events: [opnat]\nscope: [uidd=0]\n")
    assert main(["config", "show", "--config", "c.yaml"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == 'ERROR c.yaml:1: events: unknown event "opnat" (nearest: openat)'
    assert main(["config", "shw"]) == 1
    assert main(["config"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        'ERROR config: unknown word "shw" (nearest: show)',
        "ERROR config: what is to be done with it? The only thing so far is show",
    ]
