"""Options of a sink, from a URL's query or from a configuration file, as the settings' fields and their types say."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tracee.errors import InputError
from tracee.events import nearest_hint
from tracee.sinks.frame.delivery import Delivery, SinkSettings, SpoolSettings

Headers = tuple[tuple[str, str], ...]

_LEAST_QUEUE = 1 << 20
_LEAST_SPOOL = 64 << 10
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def size(text: str) -> int:
    """``500``, ``64k``, ``16MiB``: a number of bytes, or of anything.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if not found:
        raise ValueError("a number such as 500, 64k or 16MiB is needed")
    return int(found[1]) * _SIZES[found[2]]


def seconds(text: str) -> float:
    """``5``, ``500ms``, ``2.5s``, ``1m``.

    Raises:
        ValueError: it is no time.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip().lower())
    if not found:
        raise ValueError("a time such as 5s or 500ms is needed")
    return float(found[1]) * _SECONDS[found[2]]


def _boolean(text: str) -> bool:
    if text.strip().lower() not in _BOOLEANS:
        raise ValueError("true or false is needed")
    return _BOOLEANS[text.strip().lower()]


def _headers(value: object) -> Headers:
    """A mapping, or a list of ``Name: value``."""
    if isinstance(value, Mapping):
        pairs = [(str(name), str(text)) for name, text in value.items()]
    else:
        texts = value if isinstance(value, list | tuple) else [value]
        # without a colon there is no name
        pairs = [(name if colon else "", text) for name, colon, text in (str(text).partition(":") for text in texts)]
    for name, text in pairs:
        # what a header holds may be secret, so it is not told
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError("a header such as X-Site: a is needed")
        if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", text):
            raise ValueError(f"header {name} has a character that no header can have")
    return tuple((name, text.strip()) for name, text in pairs)


_READERS: dict[object, Callable[[str], object]] = {int: size, float: seconds, bool: _boolean}


def _value(wanted: object, value: object) -> object:
    if wanted == Headers:
        return _headers(value)
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError("it is given more than once")
        (value,) = value
    # YAML has numbers of its own, and True is one for Python
    if wanted is not bool and isinstance(value, bool):
        raise ValueError("true and false are no value for it")
    return _READERS.get(wanted, str)(str(value))


def _fields(settings: Callable[..., SinkSettings]) -> dict[str, Any]:
    """Types of all that may be set, by name; not the URL."""
    own = typing.get_type_hints(settings)
    del own["url"], own["delivery"]
    return own | typing.get_type_hints(Delivery)


def _field(name: str) -> str:
    name = name.strip().lower().replace("-", "_")
    return {"header": "headers", "batch_size": "batch_events", "flush_interval": "flush"}.get(name, name)


def place_of(netloc: str) -> str:
    """Host and port of a URL: without user and password."""
    return netloc.rpartition("@")[2]


def split_url(kind: str, url: str, settings: Callable[..., SinkSettings]) -> tuple[str, dict[str, list[str]]]:
    """A URL without the options in its query, and these. The rest of the query is the receiver's.

    Raises:
        InputError: it is no URL.
    """
    known = _fields(settings)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError as error:
        raise InputError(f"--output {kind}: {error}") from error
    if not parts.scheme or not parts.hostname:
        raise InputError(f"--output {kind}: a URL such as {kind}:SCHEME://HOST:PORT/ is needed")
    options: dict[str, list[str]] = {}
    rest = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _field(name) in known:
            options.setdefault(name, []).append(value)
        else:
            rest.append((name, value))
    query = urlencode(rest) if options else parts.query
    return urlunsplit(parts._replace(query=query)), options


def read_options(
    kind: str, settings: Callable[..., SinkSettings], url: str, options: Mapping[str, object]
) -> SinkSettings:
    """Settings for a URL, with these options.

    Raises:
        InputError: there is no such option, or a value cannot be.
    """
    known = _fields(settings)
    own: dict[str, Any] = {}
    frame: dict[str, Any] = {}
    for name, value in options.items():
        field = _field(name)
        if field not in known:
            words = [word.replace("_", "-") for word in known]
            raise InputError(f'--output {kind}: unknown option "{name}"{nearest_hint(name, words)}')
        try:
            (frame if field in Delivery._fields else own)[field] = _value(known[field], value)
        except ValueError as error:
            raise InputError(f"--output {kind}: {name}: {error}") from error
    delivery = Delivery(**frame)
    for field, least in (("batch_events", 1), ("batch_bytes", 1), ("queue_bytes", _LEAST_QUEUE)):
        if getattr(delivery, field) < least:
            raise InputError(f"--output {kind}: {field.replace('_', '-')} must be at least {least}")
    return settings(url=url, delivery=delivery, **own)


def spool_settings(folder: str | None, most: str | None) -> SpoolSettings:
    """What ``option:spool-dir=`` and ``option:spool-size=`` say; None: as usual. The folder ``none`` is no spool.

    Raises:
        InputError: the size is none.
    """
    settings = SpoolSettings()
    if folder is not None:
        settings = settings._replace(folder=None if folder == "none" else folder, asked=True)
    if most is not None:
        try:
            settings = settings._replace(size=size(most))
        except ValueError as error:
            raise InputError(f"--output option:spool-size: {error}") from error
    if settings.size < _LEAST_SPOOL:
        raise InputError(f"--output option:spool-size: at least {_LEAST_SPOOL} bytes are needed")
    return settings
