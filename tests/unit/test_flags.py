"""The command line as settings, and what the documentation says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracee.cli import doctor
from tracee.cli.flags import Command, parse, parser
from tracee.errors import InputError
from tracee.output import OPTIONS, Output, OutputSettings, parse_outputs
from tracee.policy import Predicate, plan_from_flags

ROOT = Path(__file__).parents[2]


def test_defaults() -> None:
    command, settings = parse([])
    assert command is Command.RUN
    assert settings.events == ("default",)
    assert settings.output == OutputSettings((Output("table"),), parse_arguments=False, exec_env=False)
    assert (settings.kernel.perf_buffer_size, settings.kernel.sampling) == (1024, 100)


def test_repeated_flags_add_up() -> None:
    _, settings = parse(["--events", "openat,close", "-e", "read", "--scope", "uid=0", "--scope", "pid>1"])
    assert settings.events == ("openat", "close", "read")
    assert settings.scope == ("uid=0", "pid>1")


def test_outputs() -> None:
    texts = ["json:stdout", "json:/tmp/f", "option:parse-arguments,exec-env"]
    assert parse_outputs(texts) == OutputSettings((Output("json"), Output("json", "/tmp/f")), True, True)
    assert parse_outputs(["json", "option:out-file=/x"]).outputs == (Output("json", "/x"),)
    assert parse_outputs(["option:out-file=/x"]).outputs == (Output("table", "/x"),)


@pytest.mark.parametrize("text", ["json:", "option:out-file", "option:", "option:parse-arguments=1", "xml"])
def test_outputs_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="--output"):
        parse_outputs([text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uid!=0", Predicate("uid", "!=", ("0",))),
        ("data.pathname=/tmp/*,/dev/shm/*", Predicate("data.pathname", "=", ("/tmp/*", "/dev/shm/*"))),
        ("pid>=1", Predicate("pid", ">=", ("1",))),
        ("follow", Predicate("follow")),
        ("data.pathname=/a=b", Predicate("data.pathname", "=", ("/a=b",))),
    ],
)
def test_predicates(text: str, expected: Predicate) -> None:
    assert Predicate.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "=1", "uid~1", "uid=", "a b", "comm=\udcff"])
def test_predicates_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match=f'"{text}"'):
        Predicate.parse(text)
    with pytest.raises(InputError, match=f'--filter "{text}"'):
        plan_from_flags(["openat"], filters=[text])


def test_a_filter_holds_for_every_event_that_has_the_field() -> None:
    plan = plan_from_flags(["openat", "close", "unlink"], filters=["data.pathname=/x", "retval=0"])
    filters = {rule.event: [str(f) for f in rule.filters] for rule in plan.policies[0].rules}
    assert filters == {
        "openat": ["data.pathname=/x", "retval=0"],
        "close": ["retval=0"],
        "unlink": ["data.pathname=/x", "retval=0"],
    }


def test_every_flag_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(--[a-z-]+)", text))
    actions = [*parser()._actions, *doctor.parser()._actions]
    flags = {name for action in actions for name in action.option_strings if name.startswith("--")}
    assert flags == documented
    for option in OPTIONS:
        assert f"`option:{option}" in text


def test_the_readme_in_both_languages_shows_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        return [line.split("  #")[0].rstrip() for block in blocks for line in block.splitlines()]

    assert commands("README.md") == commands("README.zh-CN.md") != []
