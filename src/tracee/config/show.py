"""Settings as YAML that can be read back, each with where it was said; what is secret is hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

import yaml

from tracee import sinks
from tracee.config.layers import DEFAULT, FLAG, RECEIVERS, Known, Layer, Takes, Word, things
from tracee.config.settings import Settings

HIDDEN = "***"
_HEADERS = ("headers", "header")
_SECRET = ("shared-key", "shared_key")
"""Options of receivers that are for nobody else's eyes, as headers' values are."""


def show(known: Known, words: Layer, settings: Settings) -> Iterator[str]:
    """The lines.

    Args:
        known: all settings.
        words: those that hold.
        settings: what they make.
    """
    yield "# what tracee would go by; behind each setting, where it was said"
    for name, takes in known.items():
        said = words.get(name, [])
        if name in _SHOWN:
            yield from _SHOWN[name](said, settings)
        elif takes is Takes.NOTHING:
            yield f"{name}: {said[-1].text if said else 'false'}{_from(said)}"
        elif takes is Takes.VALUE:
            if said:
                yield f"{name}: {_scalar(said[-1].text, number=True)}{_from(said)}"
        else:
            yield from _list(name, said)


def _list(name: str, said: Sequence[Word], indent: str = "") -> Iterator[str]:
    if not said:
        yield f"{indent}{name}: []{_from(said)}"
        return
    yield f"{indent}{name}:"
    for word in said:
        yield f"{indent}  - {_scalar(word.text)}{_from([word])}"


def _events(said: Sequence[Word], settings: Settings) -> Iterator[str]:
    yield from _list("events", said or [Word(event, DEFAULT) for event in settings.events])


def _output(said: Sequence[Word], settings: Settings) -> Iterator[str]:
    sorted_out: dict[str, list[Word]] = {"": [], RECEIVERS: []}
    for thing, word in things("output", said):
        sorted_out.setdefault(thing, []).append(word)
    formats, receivers = sorted_out.pop(""), sorted_out.pop(RECEIVERS)
    yield "output:"
    if not formats and not receivers:
        formats = [Word(output.format, DEFAULT) for output in settings.output.outputs]
    yield from _list("formats", formats, "  ")
    yield from _options(sorted_out)
    if receivers:
        yield "  forward:"
    for word in receivers:
        yield from _receiver(word)


def _options(options: Mapping[str, Sequence[Word]]) -> Iterator[str]:
    if options:
        yield "  options:"
    for words in options.values():
        name, equals, value = words[-1].text.removeprefix("option:").partition("=")
        yield f"    {name}: {_scalar(value, number=True) if equals else 'true'}{_from(words)}"


def _receiver(word: Word) -> Iterator[str]:
    kind, _, text = word.text.partition(":")
    url, options = sinks.split_url(kind, text, sinks.kinds()[kind].settings)
    yield f"    - protocol: {_scalar(kind)}{_from([word])}"
    yield f"      url: {_scalar(without_secrets(url))}"
    for name, value in {**options, **(word.options or {})}.items():
        if name in _HEADERS:
            yield "      headers:"
            yield from (f"        {_scalar(header)}: {_scalar(HIDDEN)}" for header in _header_names(value))
        else:
            text = str(value[-1] if isinstance(value, list) else value)
            yield f"      {name}: {_scalar(HIDDEN if name in _SECRET else text, number=True)}"


def _header_names(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return list(value)
    return [str(text).partition(":")[0] for text in (value if isinstance(value, list) else [value])]


def without_secrets(url: str) -> str:
    """A URL as anybody may see it: a password is hidden, and so are the values in its query and deeper paths."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    query = "&".join(name if not equals else f"{name}={HIDDEN}" for name, equals, _ in pairs)
    first, slash, deeper = parts.path.removeprefix("/").partition("/")
    path = ("/" if parts.path else "") + first + slash + (HIDDEN if deeper else "")
    netloc = f"{name}{colon and ':' + HIDDEN}{at}{place}"
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def _log(said: Sequence[Word], settings: Settings) -> Iterator[str]:
    origins = dict(things("log", said))

    def origin(thing: str) -> str:
        return _from([origins[thing]] if thing in origins else [])

    yield "log:"
    yield f"  level: {_scalar(settings.log.level)}{origin('')}"
    if settings.log.file is not None:
        yield f"  file: {_scalar(settings.log.file)}{origin('option log-file')}"
    yield f"  format: {_scalar(settings.log.format)}{origin('option log-format')}"


def _nothing(said: Sequence[Word], settings: Settings) -> Iterator[str]:
    """A file cannot name files: what they say is shown itself."""
    return iter(())


_SHOWN = {"events": _events, "output": _output, "log": _log, "config": _nothing}
"""By name: settings that have a form of their own."""


def _from(words: Sequence[Word]) -> str:
    """Where it was said, as a comment."""
    origin = words[-1].origin if words else DEFAULT
    told = "command line" if origin == FLAG else origin
    return f"  # {told if told.isprintable() else ascii(told)}"


def _scalar(text: str, *, number: bool = False) -> str:
    """As YAML writes it, so that it is the same text when it is read; or the same number."""
    try:
        read = yaml.safe_load(f"- {text}")
    except yaml.YAMLError:
        read = None
    if read == [text] or (number and isinstance(read, list) and len(read) == 1 and type(read[0]) in (int, float)):
        return text
    return json.dumps(text)
