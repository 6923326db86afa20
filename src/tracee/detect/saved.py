"""Signatures at work on saved events: lines of JSON, as ``--output json`` writes them."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

from tracee import _core
from tracee.detect.known import Known, detection
from tracee.detect.running import Running
from tracee.detect.signals import Signal, SignalKind
from tracee.detect.stores import FileStore, Stores
from tracee.errors import InputError

if TYPE_CHECKING:
    from tracee._core import Event


class SavedEvent:
    """An event from its line of JSON. What it has is what ``tracee._core.Event`` has, but for what no line says."""

    def __init__(self, line: Mapping[str, Any]) -> None:
        """``line``: the object.

        Raises:
            KeyError, TypeError, AttributeError: it is none of an event.
        """
        self.line = line
        self.name: str = line["eventName"]
        number = line.get("eventId", "0")
        self.id: int | str = int(number) if str(number).isdecimal() else number
        self.timestamp: int = line["timestamp"]
        self.thread_start_time: int = line.get("threadStartTime", 0)
        self.processor_id: int = line.get("processorId", 0)
        self.pid: int = line["processId"]
        self.tid: int = line.get("threadId", self.pid)
        self.ppid: int = line.get("parentProcessId", 0)
        self.host_pid: int = line.get("hostProcessId", self.pid)
        self.host_tid: int = line.get("hostThreadId", self.tid)
        self.host_ppid: int = line.get("hostParentProcessId", self.ppid)
        self.uid: int = line.get("userId", 0)
        self.mount_namespace: int = line.get("mountNamespace", 0)
        self.pid_namespace: int = line.get("pidNamespace", 0)
        self.cgroup_id: int = line.get("cgroupId", 0)
        self.compat: bool = line.get("compat", False)
        self.return_value: int = line.get("returnValue", 0)
        self.process_name: str = _text(line.get("processName", ""))
        self.executable: str | None = _text(line["executable"]) if line.get("executable") else None
        container = line.get("container") or {}
        self.container: dict[str, Any] = dict(container) if container.get("id") else {}
        kubernetes = line.get("kubernetes") or {}
        self.kubernetes: dict[str, Any] = dict(kubernetes) if kubernetes.get("podName") else {}
        self.ancestors: list[int] = list((line.get("processTree") or {}).get("ancestors", ()))
        self.policies: list[str] = list((line.get("policies") or {}).get("matched", ()))
        self.detection: dict[str, Any] | None = line.get("detection")
        trigger = line.get("triggeredBy")
        self.triggered_by: SavedEvent | None = SavedEvent(trigger) if trigger else None
        self.args: dict[str, Any] = {arg["name"]: _value(arg.get("type", ""), arg["value"]) for arg in line["args"]}
        self.paths: dict[str, str] = {arg["name"]: _text(arg["path"]) for arg in line["args"] if arg.get("path")}

    def to_json(self, *, parse_arguments: bool = False) -> str:
        """The line as it was."""
        return json.dumps(self.line)

    def __repr__(self) -> str:
        return f"<SavedEvent {self.name} pid={self.pid} return_value={self.return_value}>"


def _text(text: str) -> str:
    """As event.args has it: JSON writes bytes that are no UTF-8 as \\xNN."""
    if "\\" not in text:
        return text
    with contextlib.suppress(ValueError):
        return _core.unescape(text).decode("utf-8", "surrogateescape")
    return text


def _value(c_type: str, value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if isinstance(value, str):
        if value.startswith("0x") and "char" not in c_type:
            return int(value, 16)  # a pointer
        return _text(value)
    if isinstance(value, list):
        return [_value(c_type, item) for item in value]
    if isinstance(value, dict):
        return {key: _value("char", item) for key, item in value.items()}
    return value


class _Nothing:
    """What is known of a host that is not there."""

    def get(self, *asked: object) -> None:
        return None


class _SavedStores(Stores):
    def __init__(self) -> None:
        self.processes = self.containers = self.dns = _Nothing()
        self.files = FileStore()


def findings(signatures: Mapping[str, Known], path: str) -> Iterator[dict[str, Any]]:
    """What signatures find in the events of a file, as JSON has it; ``-``: standard input.

    What they select is not tested but for the event's name, since kernel and core do that.

    Raises:
        InputError: a line is no event.
    """
    found: list[dict[str, Any]] = []

    def tell(number: int, event: SavedEvent, data: dict[str, Any]) -> None:
        found.append(_finding(by_number[number], event, data))

    by_number = {one.number: one for one in signatures.values()}
    stores = _SavedStores()
    running = {number: Running(one, tell, stores) for number, one in by_number.items()}
    for one in running.values():
        one.begin()
    for event in _events(path):
        for number, one in running.items():
            if any(selected.name == event.name for selected in by_number[number].selected):
                one.take([cast("Event", event)])
        yield from found
        found.clear()
    for one in running.values():
        one.signal(Signal(SignalKind.SHUTDOWN))
    yield from found


def _events(path: str) -> Iterator[SavedEvent]:
    try:
        with contextlib.ExitStack() as stack:
            file: IO[str] = sys.stdin if path == "-" else stack.enter_context(open(path, encoding="utf-8"))
            yield from _from_lines(path, file)
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"{path}: cannot be read: {what}") from error


def _from_lines(path: str, lines: Iterable[str]) -> Iterator[SavedEvent]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield SavedEvent(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}:{number}: no event as --output json writes them: {what}") from error


def _finding(signature: Known, event: SavedEvent, data: Mapping[str, Any]) -> dict[str, Any]:
    """As ``--output json`` prints it."""
    metadata = signature.metadata
    types = {field.name: field.type for field in metadata.fields}
    named = {name: data.get(name) for name in types} | dict(data)
    args = [
        {"name": name, "type": types.get(name) or _c_type(value), "value": _escaped(value)}
        for name, value in named.items()
    ]
    own = {"eventName": metadata.event_name, "eventId": metadata.id, "returnValue": 0, "args": args}
    same = {key: value for key, value in event.line.items() if key not in ("detection", "triggeredBy", "policies")}
    matched: dict[str, Any] = {"policies": {"matched": []}}
    return same | own | matched | {"detection": detection(metadata), "triggeredBy": dict(event.line)}


def _c_type(value: object) -> str:
    """What JSON shows as the type of a value whose type nobody declared."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "long" if value < 0 else "unsigned long"
    known = {bool: "bool", float: "double", list: "const char**", tuple: "const char**", dict: "object"}
    return known.get(type(value), "const char*")


def _escaped(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """As JSON has it: bytes that are no UTF-8 as \\xNN, and so \\ twice."""
    if isinstance(value, (str, bytes)):
        text = os.fsdecode(value).replace("\\", "\\\\")
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, (list, tuple)):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return value
