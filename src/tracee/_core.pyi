"""Types of the extension module: crates/python."""

from collections.abc import Sequence
from typing import Any, final

from tracee.output_files import Opened

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
    @property
    def fields(self) -> list[str]:
        """What filters call it: ``data.NAME``, or its parts, where ``*`` stands for any key."""

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
    def id(self) -> int | str:
        """Of what a signature found, the signature's ID."""
    @property
    def detection(self) -> dict[str, Any] | None:
        """Of what a signature found, what is told of the signature, as in JSON."""
    @property
    def triggered_by(self) -> Event | None:
        """Of what a signature found, the event that led to it."""
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
    def container(self) -> dict[str, Any]:
        """As in JSON: id, name, image, imageDigest, runtime; empty for a task of the host."""
    @property
    def kubernetes(self) -> dict[str, Any]:
        """As in JSON: podName, podNamespace, podUid, sandbox; empty outside of pods."""
    @property
    def ancestors(self) -> list[int]:
        """Of its process: host pids, the oldest first and the parent last. Empty with ``process_tree=False``."""
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
class Process:
    """A process of the tree, as it was when it was looked up. Pids are the host's, times are ns since 1970."""

    @property
    def pid(self) -> int: ...
    @property
    def start_time(self) -> int:
        """Exact to 10 ms for what began before tracing did, until it execs."""
    @property
    def ns_pid(self) -> int:
        """As the process itself sees it."""
    @property
    def pid_namespace(self) -> int | None: ...
    @property
    def ppid(self) -> int | None:
        """The parent as it is now; 0: there is none, None: it is not known."""
    @property
    def parent(self) -> tuple[int, int | None] | None:
        """The parent's pid and start time, to look it up."""
    @property
    def forked_by(self) -> tuple[int, int | None] | None:
        """Pid and start time of the process that forked it, which may have ended; None: before tracing began."""
    @property
    def ancestors(self) -> list[int]:
        """The oldest first and the parent last."""
    @property
    def ancestors_cut(self) -> bool:
        """There are older ones: more than 64 in all, or not known."""
    @property
    def name(self) -> str:
        """As of its fork, its last exec, or its end."""
    @property
    def uid(self) -> int:
        """As of then, too."""
    @property
    def executable(self) -> str | None:
        """Path of the file that it runs; None for the kernel's own threads, and where it is not known."""
    @property
    def cwd(self) -> str | None:
        """Its working directory when it began to run its program."""
    @property
    def argv(self) -> list[str]:
        """How the program was called: 1,024 bytes at most."""
    @property
    def argv_cut(self) -> bool: ...
    @property
    def execs(self) -> int:
        """How often it has execed since it began, or since tracing did."""
    @property
    def ended(self) -> bool: ...
    @property
    def end_time(self) -> int | None: ...
    @property
    def exit_code(self) -> int | None:
        """None: it has not ended, was killed by a signal, or its end was missed."""
    @property
    def exit_signal(self) -> int | None: ...

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
        packet_bytes: int = 0,
        attach: str = "best",
        process_tree: bool = True,
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
    def attend(self, watches_processes: bool) -> None:
        """There will be somebody who takes `detections`; call before a plan with signatures is in use."""
    def detections(self, seconds: float) -> tuple[dict[int, list[Event]], list[tuple[str, int, int, str]]] | None:
        """What signatures are to look at next: events by the signature's number, and signals (kind, pid, start time,
        container). Asking says that the last has been looked at. None when there will be none."""
    def found(self, number: int, event: Event, data: dict[str, Any]) -> bool:
        """Tells what a signature has found. Whether that is told on. Raises TypeError for what fits no field."""
    def missed(self) -> dict[str, int]:
        """Events that signatures did not look at since they could not follow, by name."""
    def container(self, id: str) -> dict[str, Any] | None:
        """What is known of a container, by its id. From any thread."""
    def domain(self, address: str) -> str | None:
        """The last name asked of DNS of which the address was an answer. From any thread."""
    def begin(
        self,
        outputs: Sequence[Opened],
        *,
        parse_arguments: bool = False,
        times: str = "wall",
        category: str | None = None,
        exec_hash: bool = False,
        subscribe: bool = False,
        ask: bool = False,
        states: list[str] = ...,
        capture: str | None = None,
    ) -> None:
        """Begins to record. `times`: wall, relative, none. `category`: outputs get events of that one alone.

        With `ask`, somebody has to take `container_questions`. `capture`: how packets are kept (JSON). Raises
        RuntimeError where its folder cannot be used."""
    def container_questions(self, seconds: float) -> list[tuple[str, str | None, str]] | None:
        """Containers to ask runtimes about: id, runtime, path of the cgroup. None when there will be no more."""
    def container_answer(self, id: str, metadata: dict[str, Any] | None) -> None:
        """What a runtime tells of a container; None where none knows it."""
    def capture_problems(self) -> list[str]:
        """What went wrong with files of packets since the last call."""
    def replace(self, plan: str) -> None:
        """Puts another plan in the place of the one in use, while it traces. What both want is traced without a gap."""
    def stop(self) -> None: ...
    def wait(self, seconds: float) -> bool: ...
    def finish(self) -> None: ...
    def batch(self, seconds: float) -> list[Event] | None: ...
    def blocks(self, seconds: float, linger: float) -> tuple[bytes, int, int] | None:
        """The next block of the output -1: its lines, how many events, and how many after it found no room."""
    def losses(self) -> tuple[int, int]: ...
    def reopen(self, index: int, fd: int) -> None:
        """Output number `index` goes on in another file; the descriptor is duplicated."""
    def output_problems(self) -> list[str]:
        """What did not go well with outputs since the last call: a line each."""
    def statistics(self) -> dict[str, Any]:
        """eventsByName, lostByName, outputs, cpuSeconds, programs: nested dicts. While it runs, or after."""
    def remarks(self) -> list[str]:
        """What was passed over since the last call: a line each, for who debugs."""
    def process(self, pid: int, start_time: int | None = None) -> Process | None:
        """The last process of that pid, or the one that began then; None where it is not known. From any thread."""
    def counters(self) -> dict[str, int]: ...

def capabilities(set: int) -> str:
    """The capabilities of a set, by name."""

def give_up_privileges(keep: int) -> None:
    """In all threads, gives up every capability but those of the set. Raises OSError where a thread keeps more."""

def facts(ring_pages: int) -> dict[str, Any]:
    """What the machine is and allows."""

def events() -> list[EventKind]: ...
def declare(declaration: str) -> tuple[int, EventKind]:
    """Declares what a signature finds (JSON): its number, and the kind of event.

    Raises ValueError for a type that no field can have.
    """

def call_numbers(compat: bool) -> dict[str, int]:
    """Numbers of system calls by name: as this machine's programs make them, or as 32-bit ones do."""

def categories() -> list[str]: ...
def nearest(word: str, known: list[str]) -> str | None: ...
def check_template(text: str) -> tuple[int, str] | None:
    """What is wrong with a template of Go's language: its line, and a message."""

def check(plan: str) -> list[tuple[int, int | None, int | None, str]]: ...
def unescape(text: str) -> bytes: ...
