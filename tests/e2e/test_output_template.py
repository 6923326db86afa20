"""``gotemplate=FILE``: events as a template writes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Tracee

MANUAL = "{{.Timestamp}},{{.ProcessID}},{{.EventName}},{{.Container.Name}}\n"
PROGRAM = f"ran{os.getpid()}"
"""No other of that name runs here."""


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It does nothing."""
    return Path(shutil.copy("/bin/true", tmp_path_factory.mktemp("program") / PROGRAM))


def test_the_template_of_the_manual(tracee: Tracee, tmp_path: Path, program: Path) -> None:
    template, beside = tmp_path / "csv.tmpl", tmp_path / "events.json"
    template.write_text(MANUAL)
    outputs = ("--output", f"gotemplate={template}", "--output", f"json:{beside}")
    with tracee.run("--events", "execve", "--scope", f"comm={PROGRAM}", *outputs) as run:
        for _ in range(3):
            subprocess.run([program], check=True)
        assert run.end() == 0
    events = [json.loads(line) for line in beside.read_text().splitlines()]
    assert run.stdout.splitlines() == [f"{e['timestamp']},{e['processId']},execve," for e in events]
    assert len(events) == 3


def test_to_a_file_with_names_and_a_choice_of_events(tracee: Tracee, tmp_path: Path) -> None:
    template, out = tmp_path / "t", tmp_path / "out"
    template.write_text(
        '{{- define "arg"}}{{.Name}}={{json .Value}}{{end -}}\n'
        '{{- if hasPrefix "/etc/" (default "" .Data.pathname) -}}\n'
        '{{.ProcessName | upper}} {{.ReturnValue}}{{range .Args}} {{template "arg" .}}{{end}}\n'
        "{{- end -}}\n"
    )
    arguments = ("--events", "openat", "--scope", "comm=cat", "--output", f"gotemplate={template}:{out}")
    with tracee.run(*arguments, "--output", "option:parse-arguments") as run:
        subprocess.run(["cat", "/etc/missing", tmp_path / "missing"], check=False, stderr=subprocess.DEVNULL)
        assert run.end() == 0
    assert run.stdout == ""
    (line,) = [line for line in out.read_text().splitlines() if "missing" in line]
    assert line == 'CAT -ENOENT dirfd=-100 pathname="/etc/missing" flags="O_RDONLY" mode="0000"'


def test_mistakes_are_one_line_that_says_where(tracee: Tracee, tmp_path: Path) -> None:
    template = tmp_path / "t"
    for text, message in [
        ("ok\n{{.EvntName}}\n", f"{template}:2: no field .EvntName (nearest: EventName)"),
        ("{{.EventName | uper}}", f'{template}:1: unknown function "uper" (nearest: upper)'),
        ("{{if .EventName}}\n", f"{template}:1: this if has no {{{{end}}}}"),
    ]:
        template.write_text(text)
        result = tracee.command("--output", f"gotemplate={template}")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"ERROR --output gotemplate: {message}\n"
    result = tracee.command("--output", f"gotemplate={tmp_path / 'no'}")
    assert result.stderr == f"ERROR --output gotemplate={tmp_path / 'no'}: No such file or directory\n"
    result = tracee.command("--output", "gotemplate")
    assert result.stderr == "ERROR --output gotemplate: the template's file is missing: gotemplate=FILE\n"


def test_an_event_that_it_fails_on_stops_nothing(tracee: Tracee, tmp_path: Path, program: Path) -> None:
    template = tmp_path / "t"
    template.write_text("{{.EventName}} {{(index .Args 7).Name}}\n")
    with tracee.run("--events", "execve", "--scope", f"comm={PROGRAM}", "--output", f"gotemplate={template}") as run:
        subprocess.run([program], check=True)
        subprocess.run([program], check=True)
        assert run.end() == 0
    broken = "execve <template: line 1: index: 7 is beyond the 3 of the list>"
    assert run.stdout.splitlines() == [broken, broken]
    assert f"WARN --output: {template}: line 1: index: 7 is beyond the 3 of the list, for " in run.stderr
