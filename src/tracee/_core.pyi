"""Types of the extension module: crates/python."""

from typing import Any, final

__version__: str
ATTACH: list[str]
SCOPE_FLAGS: list[str]
SCOPE_KEYS: list[str]

class KernelError(Exception):
    """The kernel refuses to trace; args: the message, and whether a privilege is missing."""

@final
class Arg:
    """An argument of a kind of event."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def family(self) -> str | None: ...

@final
class EventKind:
    """A kind of event, as the catalogue has it."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def category(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def sets(self) -> list[str]: ...
    @property
    def attach(self) -> list[str]:
        """Ways to take it, best first."""
    @property
    def misses(self) -> list[str]:
        """Of each way, what it does not see or know."""
    @property
    def args(self) -> list[Arg]: ...

@final
class Event:
    """One event. Fields are decoded when they are read."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """ns since 1970"""
    @property
    def thread_start_time(self) -> int:
        """ns since 1970"""
    @property
    def processor_id(self) -> int: ...
    @property
    def pid(self) -> int:
        """As the process itself sees it."""
    @property
    def tid(self) -> int: ...
    @property
    def ppid(self) -> int: ...
    @property
    def host_pid(self) -> int:
        """As the host sees it."""
    @property
    def host_tid(self) -> int: ...
    @property
    def host_ppid(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def mount_namespace(self) -> int: ...
    @property
    def pid_namespace(self) -> int: ...
    @property
    def cgroup_id(self) -> int: ...
    @property
    def compat(self) -> bool:
        """A call made by a 32-bit program."""
    @property
    def return_value(self) -> int: ...
    @property
    def process_name(self) -> str: ...
    @property
    def executable(self) -> str | None:
        """Path of the file that the process runs, where it is known."""
    @property
    def policies(self) -> list[str]: ...
    @property
    def args(self) -> dict[str, Any]:
        """Arguments by name: int, float (seconds), str (os.fsencode gives the bytes), list, dict, or None."""
    @property
    def paths(self) -> dict[str, str]:
        """Paths of the files behind descriptor arguments, as far as they were looked up."""
    def to_json(self, *, parse_arguments: bool = False) -> str: ...

@final
class Tracer:
    """Traces until stopped. Made: loaded and attached. Begun: recording."""

    def __new__(
        cls,
        plan: str,
        *,
        ring_pages: int = 1024,
        sampling: float = 100.0,
        exec_env: bool = False,
        statistics: bool = False,
        attach: str = "best",
    ) -> Tracer: ...
    @property
    def ways(self) -> dict[str, tuple[str, str, str]]:
        """By event: the way it is taken, what that misses, and why there is no better."""
    @property
    def unavailable(self) -> dict[str, str]:
        """By event: why it cannot be had."""
    @property
    def notes(self) -> list[str]: ...
    @property
    def refusals(self) -> list[str]:
        """Of programs that the kernel did not take: what it said."""
    def begin(self, outputs: list[tuple[str, int, bool, int | None]], *, subscribe: bool = False) -> None: ...
    def replace(self, plan: str) -> None:
        """Puts another plan in the place of the one in use, while it traces. What both want is traced without a gap."""
    def stop(self) -> None: ...
    def wait(self, seconds: float) -> bool: ...
    def finish(self) -> None: ...
    def batch(self, seconds: float) -> list[Event] | None: ...
    def losses(self) -> tuple[int, int]: ...
    def remarks(self) -> list[str]:
        """What was passed over since the last call: a line each, for who debugs."""
    def counters(self) -> dict[str, int]: ...

def capabilities(set: int) -> str:
    """The capabilities of a set, by name."""

def facts(ring_pages: int) -> dict[str, Any]:
    """What the machine is and allows."""

def events() -> list[EventKind]: ...
def call_numbers(compat: bool) -> dict[str, int]:
    """Numbers of system calls by name: as this machine's programs make them, or as 32-bit ones do."""

def categories() -> list[str]: ...
def nearest(word: str, known: list[str]) -> str | None: ...
def check(plan: str) -> list[tuple[int, int | None, int | None, str]]: ...
def unescape(text: str) -> bytes: ...
