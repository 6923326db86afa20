"""Settings that a file says better than a flag could: keys instead of words. To add one: a function in ``FORMS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tracee.documents.nodes import MappingNode, Node, ScalarNode, SequenceNode
from tracee.documents.reader import type_of
from tracee.errors import InputError

if TYPE_CHECKING:
    from tracee.config.file import ConfigReader

OUTPUT_KEYS = ("formats", "options", "forward")


def output(reader: ConfigReader, node: Node) -> None:
    """``formats``, ``options`` and ``forward``; or a list of words, in which these may stand, too."""
    if isinstance(node, SequenceNode):
        for item in node.value:
            if isinstance(item, MappingNode):
                _output_parts(reader, item)
            else:
                reader.word("output", item, "output")
    elif isinstance(node, MappingNode):
        _output_parts(reader, node)
    else:
        reader.plain("output", node)


def _output_parts(reader: ConfigReader, node: Node) -> None:
    for key, value in reader.mapping(node, "output", OUTPUT_KEYS).items():
        if key == "formats":
            for item in reader.items(value, "output.formats"):
                reader.word("output", item, "output.formats")
        elif key == "options":
            options(reader, "output", value, "output.options")
        else:
            for item in reader.items(value, "output.forward"):
                _receiver(reader, item)


def options(reader: ConfigReader, name: str, node: Node, what: str) -> None:
    """``NAME: VALUE`` as ``option:NAME=VALUE``; ``NAME: true`` as ``option:NAME``."""
    for key, value in reader.mapping(node, what, ()).items():
        if isinstance(value, ScalarNode) and type_of(value) == "true or false":
            if reader.truth(value, key):
                reader.say(name, f"option:{key}", value)
        else:
            reader.word(name, value, f"{what}.{key}", f"option:{key}=")


def _receiver(reader: ConfigReader, node: Node) -> None:
    """A receiver that events are sent to: ``protocol``, ``url``, and what can be set of such a sink."""
    from tracee import sinks

    parts = reader.mapping(node, "a receiver in output.forward", ())
    if not parts:
        return
    for needed in ("protocol", "url"):
        if needed not in parts:
            reader.fail(node, f"{needed} is missing: a receiver in output.forward has protocol and url")
            return
    kind, url = (reader.scalar(parts.pop(part), f"output.forward.{part}") for part in ("protocol", "url"))
    if kind is None or url is None:
        return
    given = {key: _option(reader, key, value) for key, value in parts.items()}
    if None in given.values():
        return
    wrong = _wrong_with(lambda options: sinks.settings(kind, url, options), given)
    for key, error in wrong.items():
        reader.fail(parts.get(key, node), error)
    if not wrong:
        reader.say("output", f"{kind}:{url}", node, given)


def _option(reader: ConfigReader, key: str, node: Node) -> object:
    if isinstance(node, MappingNode):
        texts = {name: reader.scalar(value, f"{key}.{name}") for name, value in reader.mapping(node, key, ()).items()}
        return None if None in texts.values() else texts
    if isinstance(node, ScalarNode) and type_of(node) == "true or false":
        return "true" if reader.truth(node, key) else "false"
    return reader.scalar(node, key)


def _wrong_with(make: Callable[[dict[str, object]], object], given: dict[str, object]) -> dict[str, str]:
    """What is wrong with a receiver, by option; with no option, where it is wrong as a whole."""
    error = _refusal(make, given)
    if error is None:
        return {}
    alone = {}
    if _refusal(make, {}) is None:
        alone = {key: its for key, value in given.items() if (its := _refusal(make, {key: value}))}
    return alone or {"": error}


def _refusal(make: Callable[[dict[str, object]], object], options: dict[str, object]) -> str | None:
    try:
        make(options)
    except InputError as error:
        return str(error).removeprefix("--")
    return None


def log(reader: ConfigReader, node: Node) -> None:
    """``level``, ``file``, ``format``."""
    _named(reader, "log", node, {"level": "", "file": "option:log-file=", "format": "option:log-format="})


def server(reader: ConfigReader, node: Node) -> None:
    """``address``, ``token-file``; or whether there is to be one."""
    if type_of(node) == "true or false":
        reader.say("server", "true" if reader.truth(node, "server") else "false", node)
        return
    _named(reader, "server", node, {"address": "", "token-file": "option:token-file="})


def _named(reader: ConfigReader, name: str, node: Node, prefixes: dict[str, str]) -> None:
    """Keys that stand for words, with what goes before their values."""
    if not isinstance(node, MappingNode):
        reader.plain(name, node)
        return
    for key, value in reader.mapping(node, name, prefixes).items():
        reader.word(name, value, f"{name}.{key}", prefixes[key])


def capabilities(reader: ConfigReader, node: Node) -> None:
    """``bypass``, ``add``, ``drop``."""
    if not isinstance(node, MappingNode):
        reader.plain("capabilities", node)
        return
    for key, value in reader.mapping(node, "capabilities", ("bypass", "add", "drop")).items():
        if key == "bypass":
            bypass = reader.truth(value, "capabilities.bypass")
            if bypass is not None:
                reader.say("capabilities", f"bypass={'true' if bypass else 'false'}", value)
            continue
        for item in reader.items(value, f"capabilities.{key}"):
            reader.word("capabilities", item, f"capabilities.{key}", f"{key}=")


def containers(reader: ConfigReader, node: Node) -> None:
    """``runtime-sockets``, and whether to ask them: ``enrich``."""
    for key, value in reader.mapping(node, "containers", ("runtime-sockets", "enrich")).items():
        if key == "runtime-sockets":
            reader.plain(key, value)
            continue
        enrich = reader.truth(value, "containers.enrich")
        if enrich is not None:
            reader.say("no-containers-enrich", "false" if enrich else "true", value)


FORMS: dict[str, Callable[[ConfigReader, Node], None]] = {
    "output": output,
    "log": log,
    "server": server,
    "capabilities": capabilities,
    "containers": containers,
}
"""By key: what reads its value where that is no word."""
