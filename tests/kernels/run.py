"""What is proven and tested on Debian's kernels, as a table: how each event is taken there, and whether it came.

    tests/kernels/run.py --kernels 6.1,5.10 --attach best -k security_file_open
    tests/kernels/run.py --tests tests/e2e/test_lifecycle.py -- -x
    tests/kernels/run.py --few
    tests/kernels/run.py --arch arm64 --kernels 6.1 --attach best

What comes after `--` goes to pytest. Needs root (to build the test modules), qemu, and Debian's packages from a mirror
that apt knows.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import few
import foreign
from debian import ARCHITECTURES, CACHE, SERIES, FetchError, Kernel, UnreachableError, fetch, label
from matrix import Session, page, table, tally
from objects import FOLDER, BuildError, build
from vm import LSM, Machine, VmError

from tracee.events import kinds

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "kernels.md"
WAYS = ("best", "fallback")


def arguments() -> argparse.Namespace:
    """The flags."""
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--kernels", default=",".join(SERIES), help=f"some of {','.join(SERIES)} (default: all)")
    flags.add_argument("--arch", choices=ARCHITECTURES, default="amd64", help="of the kernels (default: %(default)s)")
    flags.add_argument("--attach", default=",".join(WAYS), help="best, fallback, or both (default)")
    flags.add_argument(
        "-k", dest="events", action="append", default=[], metavar="EVENT", help="only tests of this event"
    )
    flags.add_argument(
        "--tests", default=" ".join(few.UNPROVEN), help="files or folders (default: what the doctor cannot prove)"
    )
    flags.add_argument("--few", action="store_true", help="two guests, in twelve minutes: see few.py")
    flags.add_argument(
        "--no-table", action="store_true", help="without the doctor: show only events that the tests trace"
    )
    flags.add_argument("--timeout", type=float, default=3600, help="seconds for one kernel (default: %(default).0f)")
    flags.add_argument("--seconds", type=int, default=600, help="seconds for one test (default: %(default)s)")
    flags.add_argument("--jobs", type=int, default=os.cpu_count(), help="guests at a time; each keeps one CPU busy")
    flags.add_argument("--cpus", type=int, default=2)
    flags.add_argument("--memory", default="2G")
    flags.add_argument("--append", default="", help="more of the kernel's command line")
    flags.add_argument("--cgroup-v1", default="", help="controllers that are mounted as cgroup v1, as memory,cpuset")
    flags.add_argument("--add", action="store_true", help="to what earlier runs told: of each test, the latest counts")
    flags.add_argument(
        "--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}, of what this and earlier runs told"
    )
    flags.add_argument("--no-run", action="store_true", help="only write what earlier runs told")
    chosen = flags.parse_args(given[:cut])
    if chosen.few:
        flags.set_defaults(**few.SETTINGS)
        chosen = flags.parse_args(given[:cut])
    chosen.pytest = given[cut + 1 :]
    kernels = words(flags, "--kernels", chosen.kernels, tuple(SERIES))
    ways = words(flags, "--attach", chosen.attach, WAYS)
    chosen.guests = few.GUESTS if chosen.few else dict.fromkeys(kernels, ways)
    return chosen


def words(flags: argparse.ArgumentParser, flag: str, given: str, known: tuple[str, ...]) -> list[str]:
    """A list of known words; ends the program where one is not."""
    chosen = given.split(",")
    for word in chosen:
        if word not in known:
            flags.error(f'{flag}: "{word}" is none of {", ".join(known)}')
    return chosen


@dataclass(frozen=True)
class Ground:
    """What tests need of a guest beside its kernel."""

    root: Path
    python: str
    modules: Path | None
    """the folder of test modules; None where there are none"""


def ground(kernel: Kernel) -> Ground:
    """What guests of a kernel's architecture need, made. Raises FetchError, BuildError or ForeignError."""
    if kernel.arch == foreign.ARCH:
        return Ground(foreign.guest_root(), foreign.PYTHON, None)
    return Ground(Path("/"), sys.executable, build(kernel))


def session(kernel: Kernel, ground: Ground, attach: str, chosen: argparse.Namespace) -> Session:
    """Boots a kernel and runs the tests there; what they print goes to a file."""
    machine = Machine(
        kernel,
        chosen.cpus,
        chosen.memory,
        f"lsm={LSM} {chosen.append}",
        tuple(filter(None, chosen.cgroup_v1.split(","))),
        chosen.timeout,
        ground.root,
    )
    flags = ["-q", "-rfEs", "--tb=short", f"--seconds={chosen.seconds}"]
    flags += [f"--event={name}" for name in chosen.events]
    asks = "nothing" if chosen.events or chosen.no_table else "proof"
    tests = chosen.tests.split()
    words = ["tests/kernels/guest.sh", ground.python, attach, asks, *flags, *tests, *chosen.pytest]
    command = f"exec sh {shlex.join(words)}"
    if ground.modules:
        command = f"export {FOLDER}={shlex.quote(str(ground.modules))}; {command}"
    log = CACHE / f"{kernel.label}-{attach}.log"
    begun = time.monotonic()
    with open(log, "w", encoding="utf-8", buffering=1) as file:
        print(f"{kernel.version}, {attach} ways: see {log.relative_to(ROOT)}", flush=True)
        try:
            guest = machine.run(command, ROOT, show=file.write)
            report, trouble = guest.report, "" if guest.status in (0, 1) else f"pytest ended with status {guest.status}"
        except VmError as error:
            print(f"ERROR {error}", flush=True)
            report, trouble = error.report, str(error).partition("\n")[0]
    told = Session.read(kernel.version, attach, report)
    told.trouble = trouble or told.trouble
    print(f"{kernel.version}, {attach} ways: {counts(told)} in {time.monotonic() - begun:.0f} s", flush=True)
    write_down(told, CACHE / f"{kernel.label}-{attach}.json", chosen.add)
    return told


def write_down(told: Session, file: Path, add: bool) -> None:
    """Writes down what a guest told; with `add`, together with what earlier ones of the same kernel told."""
    if add and file.exists():
        told = told.after(Session.parse(file.read_text(encoding="utf-8")))
    file.write_text(told.to_text(), encoding="utf-8")


def counts(told: Session) -> str:
    """How many tests ended how, and how many deeds were seen, where they were done."""
    ended = [f"{told.count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped")]
    if told.proof:
        ended.append(f"{told.deeds_seen()} deeds seen, {len(told.deeds_missed())} not")
    return ", ".join(ended)


def show(sessions: list[Session]) -> None:
    """Prints the table, and what failed."""
    rows = table(sessions)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    for told in sessions:
        print(f"\n{told.kernel}, {told.attach} ways: {counts(told)}{f'; {told.trouble}' if told.trouble else ''}")
        for deed in told.deeds_missed():
            print(f"  {deed['event']}: {deed['deed']} ({deed['variant']}): {deed['why']}")
        for test in told.tests:
            if test["outcome"] == "failed":
                print(f"  {test['test']}: {test['why'].partition(chr(10))[0]}")


def run(chosen: argparse.Namespace) -> tuple[list[Session], list[Exception]]:
    """Fetches kernels one by one, and runs the tests on each as soon as it is there; what was told, what was not there.

    Sessions are in the order of the kernels.
    """
    trouble: list[Exception] = []
    running: list[Future[Session]] = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for series, ways in chosen.guests.items():
            try:
                kernel = fetch(series, chosen.arch)
                made = ground(kernel)
            except (FetchError, BuildError, foreign.ForeignError) as error:
                skipped = chosen.few and isinstance(error, UnreachableError)
                print(f"{'SKIPPED' if skipped else 'ERROR'} {error}", flush=True)
                trouble.append(error)
                continue
            running += [pool.submit(session, kernel, made, attach, chosen) for attach in ways]
        return [one.result() for one in running], trouble


def write_page() -> None:
    """Writes the page of all that is written down."""
    labels = [label(series, arch) for arch in ARCHITECTURES for series in SERIES]
    files = [CACHE / f"{name}-{attach}.json" for name in labels for attach in WAYS]
    sessions = [Session.parse(file.read_text(encoding="utf-8")) for file in files if file.exists()]
    categories = {name: kind.category for name, kind in kinds().items() if kind.category != "control"}
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), sessions, categories), encoding="utf-8")


def main() -> int:
    """Runs all; 0 where every kernel was there, and no test failed."""
    chosen = arguments()
    if chosen.few:
        reason = few.refusal(ROOT, chosen.arch)
        if reason:
            print(f"SKIPPED tests on other kernels: {reason}\n{few.line(skipped=1)}", flush=True)
            return 0
    if chosen.no_run:
        write_page()
        return 0
    if os.geteuid() != 0:
        print("ERROR run.py: what guests need is built in a root of its own, which needs root", file=sys.stderr)
        return 1
    begun = time.monotonic()
    sessions, trouble = run(chosen)
    if sessions:
        show(sessions)
        if chosen.write:
            write_page()
    bad = [told for told in sessions if not told.well]
    unreachable = [error for error in trouble if isinstance(error, UnreachableError)]
    if chosen.few:
        trouble = [error for error in trouble if error not in unreachable]
        counted = tally(sessions)
        counted["skipped"] += len(unreachable)
        counted["failed"] += len(trouble)
        print(few.line(**counted, seconds=time.monotonic() - begun), flush=True)
    return 1 if bad or trouble else 0


if __name__ == "__main__":
    sys.exit(main())
