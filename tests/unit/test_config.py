"""Flags, environment and files as one ``Settings``: who goes before whom, and what each can say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracee.cli.flags import known, parse
from tracee.config import Settings, Takes
from tracee.config.environment import variable
from tracee.container_settings import ContainerSettings
from tracee.errors import InputError
from tracee.log import LogSettings
from tracee.output import Output
from tracee.privileges import PrivilegeSettings
from tracee.server.settings import ServerSettings

if TYPE_CHECKING:
    from tracee.sinks.webhook import WebhookSettings

MANUAL = """\
output:
  # format
  - json

  # options
  options:
    parse-arguments: true
    out-file: /var/log/tracee/events.json

  # destinations
  forward:
    - protocol: webhook
      url: http://siem.example.com/events
      headers:
        Authorization: "Bearer token123"

log:
  level: info
  file: /var/log/tracee/tracee.log
  format: json
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def of_file(text: str, *flags: str, variables: Mapping[str, str] | None = None) -> Settings:
    Path("c.yaml").write_text(text)
    return parse(["--config", "c.yaml", *flags], variables or {})[1]


def wrong(text: str, *flags: str, variables: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(InputError) as raised:
        of_file(text, *flags, variables=variables)
    return list(raised.value.lines)


def indented(text: str) -> str:
    return "".join(f"      {line}" if line.strip() else line for line in text.splitlines(keepends=True))


PROPER = MANUAL.replace("  - json", "  formats: [json]")
RESOURCE = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Config\nmetadata:\n  name: c\nspec:\n" + indented(MANUAL)


@pytest.mark.parametrize(
    "text", [MANUAL, indented(MANUAL), PROPER, RESOURCE], ids=["manual", "indented", "proper", "kind"]
)
def test_the_manuals_file(text: str) -> None:
    settings = of_file(text)
    assert settings.output.outputs == (Output("json", "/var/log/tracee/events.json"),)
    assert settings.output.parse_arguments
    (sink,) = settings.output.sinks
    webhook: WebhookSettings = sink  # type: ignore[assignment]
    assert (webhook.url, webhook.headers) == (
        "http://siem.example.com/events",
        (("Authorization", "Bearer token123"),),
    )
    assert settings.log == LogSettings("info", "/var/log/tracee/tracee.log", "json")
    assert settings.events == ("default",)


def test_lines_of_the_manuals_form_are_the_users() -> None:
    # one line is put in before it is read as YAML
    assert wrong(MANUAL.replace("parse-arguments", "parse-argument").replace("level", "levl")) == [
        'c.yaml:7: output: unknown option "parse-argument" (nearest: parse-arguments)',
        'c.yaml:18: unknown key "levl" in log (nearest: level)',
    ]
    assert wrong(MANUAL + "x: y: z\n") == ["c.yaml:21: mapping values are not allowed in this context"]
    assert wrong("evnts: [a]\n" + MANUAL)[0] == 'c.yaml:1: unknown key "evnts" in the configuration (nearest: events)'


SAMPLES = {
    "events": "openat",
    "scope": "uid=0",
    "filter": "data.pathname=/etc/*",
    "policy": "p.yaml",
    "output": "json",
    "capture": "net",
    "runtime-sockets": "/a.sock",
    "log": "debug",
    "attach": "lsm",
    "perf-buffer-size": "64",
    "sampling": "12.5",
    "capture-dir": "kept",
    "capabilities": "bypass=true",
    "server": "127.0.0.1:0",
}


@pytest.mark.parametrize("name", [name for name in known() if name != "config"])
def test_every_flag_can_be_said_everywhere(name: str) -> None:
    """By flag, by variable, and in a file: the settings are the same."""
    takes = known()[name]
    policy = [] if name == "policy" else ["--policy", "p.yaml"]
    value = "" if takes is Takes.NOTHING else SAMPLES.get(name, "x")
    try:
        by_flag = parse([*policy, f"--{name}", *([value] if value else [])])[1]
    except InputError as error:
        pytest.fail(f"SAMPLES needs a value for {name}: {error}")
    in_file = (
        f"{name}: true"
        if takes is Takes.NOTHING
        else f"{name}: [{value}]"
        if takes is Takes.WORDS
        else f"{name}: {value}"
    )
    plain = by_flag._replace(origins=())
    assert plain != parse(policy)[1]._replace(origins=())
    assert of_file(in_file, *policy)._replace(origins=()) == plain
    assert parse(policy, {variable(name): value or "true"})[1]._replace(origins=()) == plain


def test_a_flag_without_default_of_its_own() -> None:
    """A default of the parser would go before file and environment."""
    from tracee.cli.flags import parser

    assert [action for action in parser()._actions if action.default not in (None, [], False)] == []


def test_flags_go_before_variables_and_these_before_files() -> None:
    text = "sampling: 1\nperf-buffer-size: 8\nattach: lsm\nevents: openat\nlog: {level: debug, format: json}\nstats: on"
    variables = {"TRACEE_SAMPLING": "2", "TRACEE_PERF_BUFFER_SIZE": "16", "TRACEE_LOG": "error", "TRACEE_STATS": "no"}
    settings = of_file(text, "--sampling", "3", "--events", "close", variables=variables)
    kernel = settings.kernel
    assert (kernel.sampling, kernel.perf_buffer_size, kernel.attach, settings.events) == (3, 16, "lsm", ("close",))
    # options stay where only the level was said anew
    assert settings.log == LogSettings("error", None, "json")
    assert not settings.stats


def test_formats_options_and_receivers_are_each_for_themselves() -> None:
    settings = of_file(PROPER, "--output", "table", "--output", "option:out-file=/x")
    assert settings.output.outputs == (Output("table", "/x"),)
    assert settings.output.parse_arguments
    assert [sink.url for sink in settings.output.sinks] == ["http://siem.example.com/events"]
    settings = of_file(PROPER, "--output", "webhook:http://other/")
    assert [sink.url for sink in settings.output.sinks] == ["http://other/"]
    assert [output.format for output in settings.output.outputs] == ["json"]


def test_variables() -> None:
    settings = parse(
        [],
        {
            "TRACEE_SCOPE": "uid=0 'comm=a b,c'",
            "TRACEE_OUTPUT": "json option:parse-arguments",
            "TRACEE_NO_CONTAINERS_ENRICH": "1",
            "TRACEE_LOG": "",
        },
    )[1]
    assert settings.scope == ("uid=0", "comm=a b,c")
    assert settings.output.parse_arguments
    assert settings.containers == ContainerSettings(enrich=False)
    assert settings.log.level == "warn"
    Path("c.yaml").write_text("sampling: 5")
    assert parse([], {"TRACEE_CONFIG": "c.yaml"})[1].kernel.sampling == 5
    assert wrong("", variables={"TRACEE_STATS": "perhaps", "TRACEE_SAMPLING": "x", "TRACEE_SCOPE": "'a"}) == [
        "TRACEE_SCOPE: No closing quotation",
        'TRACEE_STATS: "perhaps" is neither true nor false',
        'TRACEE_SAMPLING: "x" is no number',
    ]


def test_variables_that_say_nothing() -> None:
    of_kubernetes = {"TRACEE_PORT": "tcp://1", "TRACEE_SERVICE_HOST": "1", "TRACEE_LOG_SERVICE_PORT_X": "1"}
    others = {"TRACEE_LOGG": "debug", "TRACEE_SOMETHING_ELSE": "1", **of_kubernetes}
    assert parse([], others)[1].remarks == (
        "environment variable TRACEE_LOGG says nothing to tracee (nearest: TRACEE_LOG)",
    )


def test_several_documents_and_files() -> None:
    config = "apiVersion: tracee.aquasec.com/v1beta1\nkind: Config\n"
    config += "spec:\n  containers:\n    runtime-sockets: [/a, crio=/b]\n"
    settings = of_file(f"events: [openat]\n---\n{config}---\n# nothing\n---\nevents: close\n")
    assert settings.events == ("openat", "close")
    assert settings.containers.sockets == ((None, "/a"), ("crio", "/b"))
    Path("d.yaml").write_text("events: [read]\nsampling: 7")
    settings = of_file("events: [openat]\nattach: lsm", "--config", "d.yaml")
    assert (settings.events, settings.kernel.sampling, settings.kernel.attach) == (("read",), 7, "lsm")
    assert not of_file("containers: {enrich: false}").containers.enrich


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = """\
evens: [openat]
sampling: 200
perf-buffer-size: many
output:
  - json
  options: {parse-argument: true, out-file: }
  forward:
    - {protocol: webhok, url: http://a/}
    - protocol: webhook
      url: http://a/
      tiemout: 5s
      gzip: perhaps
      headers: {"A B": "secret123"}
    - url: http://a/
stats: 5
watch-policies: true
"""
    lines = wrong(text, variables={"TRACEE_LOG": "inf"})
    assert lines == [
        'c.yaml:1: unknown key "evens" in the configuration (nearest: events)',
        "c.yaml:2: sampling: 200 is out of range (0 to 100)",
        'c.yaml:3: perf-buffer-size: "many" is no whole number',
        "c.yaml:6: output.options.out-file must be text or a number, not nothing",
        'c.yaml:6: output: unknown option "parse-argument" (nearest: parse-arguments)',
        'c.yaml:8: unknown sink "webhok" (nearest: webhook)',
        'c.yaml:11: output webhook: unknown option "tiemout" (nearest: timeout)',
        "c.yaml:12: output webhook: gzip: true or false is needed",
        "c.yaml:13: output webhook: headers: a header such as X-Site: a is needed",
        "c.yaml:14: protocol is missing: a receiver in output.forward has protocol and url",
        "c.yaml:15: stats must be true or false, not a number",
        "--watch-policies: there is no --policy to be watched",
        'TRACEE_LOG: unknown level "inf" (nearest: info)',
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "c.yaml:1: the configuration must be keys and values"),
        ("kind: Policy", "c.yaml:1: this document is of kind Policy: give it with --policy, in a file of its own"),
        ("kind: Confg", 'c.yaml:1: unknown kind "Confg" (nearest: Config)'),
        ("kind: Config\napiVersion: v2\nspec: {}", 'c.yaml:2: apiVersion "v2" is not known'),
        ("kind: Config", "c.yaml:1: apiVersion is missing"),
        ("sampling: 1\n---\nsampling: 2", "c.yaml:3: sampling is said twice: first in line 1"),
        ("log: {file: a}\n---\nlog: [option:log-file=b]", "c.yaml:3: log-file is said twice: first in line 1"),
        ("log: {file: 'a,b'}", 'c.yaml:1: log.file: "a,b": the value of an option can have no comma'),
        ("events: {a: b}", "c.yaml:1: events must be text or a number, not keys and values"),
        ("events:", "c.yaml:1: events is empty"),
        ("config: other.yaml", 'c.yaml:1: unknown key "config"'),
        ("output: {formats: [jsn]}", 'c.yaml:1: output: unknown format "jsn" (nearest: json)'),
        ("output:\n  forward:\n  - {protocol: forward, url: 'tcp://a:b@c/'}", "c.yaml:3: output forward: a user"),
        ("!!python/object:os.system {}", "c.yaml:1: the tag"),
        ("a: &a [*a]", 'c.yaml:1: "&a" contains itself'),
    ],
)
def test_files_that_cannot_be(text: str, message: str) -> None:
    assert wrong(text)[0].startswith(message)


def test_files_that_cannot_be_read() -> None:
    with pytest.raises(InputError, match=r"^none.yaml: cannot be read: No such file or directory$"):
        parse(["--config", "none.yaml"])


def test_capabilities() -> None:
    text = "capabilities: {bypass: false, add: [CAP_KILL, sys_admin], drop: cap_bpf}"
    assert of_file(text).privileges == PrivilegeSettings(False, ("CAP_KILL", "CAP_SYS_ADMIN"), ("CAP_BPF",))
    both = of_file(text, "--capabilities", "bypass=true", "--capabilities", "add=CAP_CHOWN,CAP_FOWNER").privileges
    assert both == PrivilegeSettings(True, ("CAP_CHOWN", "CAP_FOWNER"), ("CAP_BPF",))
    assert wrong("capabilities: {add: CAP_KIL}") == [
        'c.yaml:1: capabilities: there is no capability "CAP_KIL" (nearest: CAP_KILL)'
    ]
    for word in ("ad=CAP_KILL", "bypass=maybe", "bypass"):
        with pytest.raises(InputError, match="--capabilities"):
            parse(["--capabilities", word])


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ([], None),
        (["--server"], ("127.0.0.1", 3366)),
        (["--server", "--stats"], ("127.0.0.1", 3366)),
        (["--server", "9000"], ("127.0.0.1", 9000)),
        (["--server", "localhost:9000"], ("localhost", 9000)),
        (["--server", "[::1]:9000"], ("::1", 9000)),
        (["--server", "127.1.2.3"], ("127.1.2.3", 3366)),
        (["--server", ":9000", "--server", "option:token-file=/t"], ("", 9000)),
        (["--server", "option:token-file=/t"], ("127.0.0.1", 3366)),
        (["--server", "false"], None),
    ],
)
def test_where_the_server_listens(words: list[str], address: tuple[str, int] | None) -> None:
    assert parse(words)[1].server.address == address


def test_the_server_in_files_and_variables() -> None:
    settings = of_file("server: {address: '0.0.0.0:1', token-file: /t}")
    assert settings.server == ServerSettings(("0.0.0.0", 1), "/t")
    assert of_file("server: true").server == ServerSettings(("127.0.0.1", 3366))
    assert of_file("server: true", variables={"TRACEE_SERVER": "false"}).server == ServerSettings()
    assert wrong("server: {adress: a}") == ['c.yaml:1: unknown key "adress" in server (nearest: address)']
    beyond = 'c.yaml:1: server: beyond this host ("0.0.0.0") a token must be asked for'
    assert wrong("server: 0.0.0.0:3366")[0].startswith(beyond)


@pytest.mark.parametrize(
    "word", ["a:b", ":99999", "::1", "http://h/", "option:token=x", "option:token-file", "example.com", ":1"]
)
def test_where_the_server_cannot_listen(word: str) -> None:
    with pytest.raises(InputError, match="--server"):
        parse(["--server", word])


def test_receivers_with_all_that_can_be_set() -> None:
    text = """\
output:
  forward:
    - {protocol: forward, url: "tcp://u:p@h:1", shared-key: 123, tag: t, gzip: true, batch-events: 10}
    - {protocol: webhook, url: "http://h/?gzip=true", header: "X: a"}
"""
    forward, webhook = of_file(text).output.sinks
    assert (forward.shared_key, forward.tag, forward.gzip) == ("123", "t", True)  # type: ignore[attr-defined]
    assert forward.delivery.batch_events == 10
    assert (webhook.gzip, webhook.headers) == (True, (("X", "a"),))  # type: ignore[attr-defined]
