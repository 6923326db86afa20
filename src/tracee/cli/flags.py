"""The manual's flags."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache, partial
from types import MappingProxyType
from typing import NoReturn

from tracee.config import Layer, Settings, Takes, Word, collect
from tracee.errors import InputError
from tracee.events import nearest_hint

COMMANDS = ("config", "doctor", "policy", "signatures")
"""Words that may come first: each is a module of this package, with a function ``command`` for the words after it."""


class Command(Enum):
    """What is to be done."""

    RUN = "run"
    LIST = "list"
    HELP = "help"
    VERSION = "version"


class CommandParser(argparse.ArgumentParser):
    """Complains in one line, as all of tracee does."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError."""
        raise InputError(message)


@cache
def parser() -> argparse.ArgumentParser:
    """The flags, with their help."""
    flags = CommandParser(
        prog="tracee",
        description="Linux runtime security and forensics: watches what programs ask of the kernel, as events.",
        epilog="Several --scope: all must hold. The same key again: one of its values. The manual: docs/.\n"
        "Commands: tracee doctor, tracee policy check FILE, tracee config show. Each has its own --help.",
        allow_abbrev=False,
        add_help=False,
        # with a width of its own it need not import what finds out the terminal's
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=110),
    )
    flags.add_argument(
        "-e",
        "--events",
        action="append",
        metavar="EVENT,...",
        help="events, sets, names with *, all; -NAME leaves one out; list prints them all (default: the set 'default')",
    )
    flags.add_argument(
        "-s",
        "--scope",
        action="append",
        default=[],
        metavar="SCOPE",
        help="which tasks: pid, uid, comm, executable, tree, mntns, pidns, uts, container, containerName, "
        "containerImage, podName, podNamespace, podUid with an operator (= != < > <= >=) and values; container; "
        "not-container; follow; global",
    )
    flags.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="FILTER",
        help="which events: data.ARGUMENT or retval with = != < > <= >= and values, such as data.pathname=/etc/*",
    )
    flags.add_argument(
        "-p",
        "--policy",
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="policies: a YAML file, or a folder's *.yaml and *.yml (see docs/policies.md); events, scopes and filters "
        "given beside them are one more",
    )
    flags.add_argument(
        "--watch-policies",
        action="store_true",
        help="replace policies whose files have changed, as SIGHUP does at any time",
    )
    flags.add_argument(
        "--signatures-dir",
        action="append",
        default=[],
        metavar="FOLDER",
        help="own signatures: each *.py there (see docs/signatures.md); may be given again",
    )
    flags.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="OUTPUT",
        help="table (default), json, gotemplate=TEMPLATE (see docs/output.md), table:FILE, json:FILE, "
        "gotemplate=TEMPLATE:FILE, webhook:URL, forward:URL (see docs/sinks.md), option:parse-arguments, "
        "option:detect-only, option:relative-timestamp, option:no-timestamp, option:exec-env, option:exec-hash, "
        "option:sort-events, "
        "option:out-file=FILE, option:rotate-size=SIZE, option:rotate-time=TIME, option:rotate-keep=COUNT, "
        "option:capture-dir=FOLDER, option:spool-dir=DIR, option:spool-size=SIZE",
    )
    flags.add_argument(
        "--capture",
        action="append",
        default=[],
        metavar="WHAT",
        help="what is kept in files: net (packets of all tasks in scope, a file for each process), net:container, "
        "net:command, net:single (other files), net:BYTES (no more of each packet)",
    )
    flags.add_argument("--capture-dir", metavar="FOLDER", help="where those files go (default: tracee-capture)")
    flags.add_argument(
        "--attach",
        metavar="HOW",
        help="which of the better hooks may be used: best (default: all), fentry, lsm, kprobe, fallback (none)",
    )
    flags.add_argument(
        "--runtime-sockets",
        action="append",
        default=[],
        metavar="[RUNTIME=]PATH",
        help="where a container runtime (docker, containerd, crio, podman) listens; may be given again "
        "(default: the usual places)",
    )
    flags.add_argument(
        "--no-containers-enrich",
        action="store_true",
        help="ask no runtime: containers have an id, and no name, image or pod",
    )
    flags.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="LEVEL",
        help="debug, info, warn (default), error; option:log-file=FILE, option:log-format=json",
    )
    flags.add_argument("--perf-buffer-size", metavar="PAGES", help="ring buffer for each CPU (default: 1024)")
    flags.add_argument("--sampling", metavar="PERCENT", help="how many of 100 events to keep (default: 100)")
    flags.add_argument(
        "--capabilities",
        action="append",
        default=[],
        metavar="WORD",
        help="which privileges are kept once tracing has begun: add=CAP_X,... (beside what is needed), drop=CAP_X,..., "
        "bypass=true (all)",
    )
    flags.add_argument("--no-process-tree", action="store_true", help="leave out the ancestors of each event's process")
    flags.add_argument(
        "--stats", action="store_true", help="counters on standard error at the end; the kernel's BPF statistics are on"
    )
    flags.add_argument(
        "--server",
        action="append",
        nargs="?",
        const="",
        default=[],
        metavar="ADDRESS",
        help="serve /metrics (Prometheus), /healthz and /readyz by HTTP (default: 127.0.0.1:3366); beyond this host "
        "with option:token-file=FILE",
    )
    flags.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="settings from a YAML file (see docs/configuration.md); flags and TRACEE_* variables go before them",
    )
    flags.add_argument("-h", "--help", action="store_true", help="this text")
    flags.add_argument("-v", "--version", action="store_true", help="the version")
    return flags


def known() -> dict[str, Takes]:
    """All settings by the names of their flags, with what these take."""
    return {_name(action): _takes(action) for action in parser()._actions if action.dest not in ("help", "version")}


def _name(action: argparse.Action) -> str:
    return max(action.option_strings, key=len).lstrip("-")


def _takes(action: argparse.Action) -> Takes:
    if action.nargs == 0:
        return Takes.NOTHING
    return Takes.WORDS if isinstance(action, argparse._AppendAction) else Takes.VALUE


def read(arguments: Sequence[str]) -> tuple[Command, Layer]:
    """What stands on the command line.

    Raises:
        InputError: a flag that is not known, with the nearest that is, or one without its value.
    """
    flags = parser()
    given, unknown = flags.parse_known_args(arguments)
    if unknown and unknown[0] in COMMANDS:
        raise InputError(f'command "{unknown[0]}" stands after flags: it goes first, and its own flags after it')
    if unknown:
        names = [name for action in flags._actions for name in action.option_strings]
        what = "flag" if unknown[0].startswith("-") else "command"
        words = names if what == "flag" else COMMANDS
        raise InputError(f'unknown {what} "{unknown[0]}"{nearest_hint(unknown[0].partition("=")[0], words)}')
    if given.help:
        print(flags.format_help(), end="")
        return Command.HELP, {}
    if given.version:
        return Command.VERSION, {}
    if given.events == ["list"]:
        return Command.LIST, {"signatures-dir": [Word(text) for text in given.signatures_dir]}
    layer: Layer = {}
    for action in flags._actions:
        value = getattr(given, action.dest)
        if value is True:
            value = "true"
        if value or value == "":
            layer[_name(action)] = [Word(text) for text in (value if isinstance(value, list) else [value])]
    return Command.RUN, layer


def parse(arguments: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> tuple[Command, Settings]:
    """Reads the command line, with what else was said.

    Args:
        arguments: of the command line.
        variables: of the environment.

    Raises:
        InputError: a flag or a value that cannot be, with the nearest that can.
    """
    command, layer = read(arguments)
    if command is not Command.RUN:
        return command, Settings(signature_folders=tuple(word.text for word in layer.get("signatures-dir", ())))
    return command, collect(known(), layer, variables).settings()
