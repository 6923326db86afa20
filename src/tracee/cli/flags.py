"""The manual's flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import NoReturn

from tracee import _core
from tracee.capture import parse_captures
from tracee.config.settings import Settings
from tracee.container_settings import ContainerSettings, parse_sockets
from tracee.errors import InputError
from tracee.events import DEFAULT, nearest_hint
from tracee.kernel import MOST_PAGES, KernelSettings
from tracee.output import parse_outputs

COMMANDS = ("doctor", "policy")
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


def parser() -> argparse.ArgumentParser:
    """The flags, with their help."""
    flags = CommandParser(
        prog="tracee",
        description="Linux runtime security and forensics: watches what programs ask of the kernel, as events.",
        epilog="Several --scope: all must hold. The same key again: one of its values. The manual: docs/.",
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
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="OUTPUT",
        help="table (default), json, table:FILE, json:FILE, webhook:URL, forward:URL (see docs/sinks.md), "
        "option:parse-arguments, option:exec-env, option:out-file=FILE, option:capture-dir=FOLDER, "
        "option:spool-dir=DIR, option:spool-size=SIZE",
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
        default="best",
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
    flags.add_argument("--log", default="warn", metavar="LEVEL", help="debug, info, warn (default), error")
    flags.add_argument(
        "--perf-buffer-size", type=str, default="1024", metavar="PAGES", help="ring buffer for each CPU (default: 1024)"
    )
    flags.add_argument(
        "--sampling", type=str, default="100", metavar="PERCENT", help="how many of 100 events to keep (default: 100)"
    )
    flags.add_argument("--no-process-tree", action="store_true", help="leave out the ancestors of each event's process")
    flags.add_argument(
        "--stats", action="store_true", help="counters on standard error at the end; the kernel's BPF statistics are on"
    )
    flags.add_argument("-h", "--help", action="store_true", help="this text")
    flags.add_argument("-v", "--version", action="store_true", help="the version")
    return flags


def parse(arguments: Sequence[str]) -> tuple[Command, Settings]:
    """Reads the command line.

    Raises:
        InputError: a flag or a value that cannot be, with the nearest that can.
    """
    flags = parser()
    given, unknown = flags.parse_known_args(arguments)
    if unknown:
        known = [name for action in flags._actions for name in action.option_strings]
        what = "flag" if unknown[0].startswith("-") else "command"
        words = known if what == "flag" else COMMANDS
        raise InputError(f'unknown {what} "{unknown[0]}"{nearest_hint(unknown[0].partition("=")[0], words)}')
    if given.help:
        print(flags.format_help(), end="")
        return Command.HELP, Settings()
    if given.version:
        return Command.VERSION, Settings()
    if given.watch_policies and not given.policy:
        raise InputError("--watch-policies: there is no --policy to be watched")
    only_policies = given.policy and not (given.events or given.scope or given.filter)
    texts = given.events or ([] if only_policies else [DEFAULT])
    events = tuple(word for text in texts for word in text.split(",") if word)
    if events == ("list",):
        return Command.LIST, Settings()
    output = parse_outputs(given.output)
    capture = parse_captures(given.capture, given.capture_dir or output.capture_folder)
    kernel = KernelSettings(
        perf_buffer_size=int(_number("--perf-buffer-size", given.perf_buffer_size, 1, MOST_PAGES, whole=True)),
        sampling=_number("--sampling", given.sampling, 0, 100),
        exec_env=output.exec_env,
        statistics=given.stats,
        packet_bytes=capture.packet_bytes,
        attach=nearest_word("--attach", given.attach, _core.ATTACH),
        process_tree=not given.no_process_tree,
    )
    return Command.RUN, Settings(
        events=events,
        scope=tuple(given.scope),
        filters=tuple(given.filter),
        policies=tuple(given.policy),
        watch_policies=given.watch_policies,
        output=output,
        kernel=kernel,
        containers=ContainerSettings(not given.no_containers_enrich, parse_sockets(given.runtime_sockets)),
        capture=capture,
        log_level=given.log,
        stats=given.stats,
    )


def nearest_word(flag: str, word: str, known: Sequence[str]) -> str:
    """The word itself, where it is one of those known.

    Raises:
        InputError: it is not; with the nearest that is.
    """
    if word not in known:
        raise InputError(f'{flag}: unknown word "{word}"{nearest_hint(word, known)}')
    return word


def _number(flag: str, text: str, least: int, most: int, *, whole: bool = False) -> float:
    try:
        number: float = int(text) if whole else float(text)
    except ValueError:
        raise InputError(f'{flag}: "{text}" is no {"whole " if whole else ""}number') from None
    if not least <= number <= most:
        raise InputError(f"{flag}: {text} is out of range ({least} to {most})")
    return number
