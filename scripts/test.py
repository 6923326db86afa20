"""Runs every test and counts them: the crates' by cargo, the rest by pytest, and some on kernels of their own.

The last line is the count.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUITES = (
    [
        "cargo",
        "test",
        "-p",
        "tracee-catalogue",
        "-p",
        "tracee-template",
        "-p",
        "tracee-core",
        "--quiet",
        "--no-fail-fast",
    ],
    ["cargo", "test", "--release", "--package", "tracee-kernel", "--quiet", "--no-fail-fast"],
    [sys.executable, "-m", "pytest", "-q", "-rs", "tests"],
    [sys.executable, "tests/kernels/run.py", "--few"],
)


def run(command: list[str]) -> tuple[dict[str, int], bool]:
    """Runs a suite, its output passed on; what it counted, and whether it ended well."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    words = {"errors": "failed", "error": "failed", "ignored": "skipped"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as suite:
        assert suite.stdout is not None
        for line in suite.stdout:
            print(line, end="", flush=True)
            if line.startswith("test result:") or re.match(r"(\d+ \w+,? ?)+ in [\d.]+s", line):
                for number, word in re.findall(r"(\d+) (passed|failed|skipped|ignored|errors?)\b", line):
                    counts[words.get(word, word)] += int(number)
    return counts, suite.returncode == 0


def main() -> int:
    """Runs all suites; 0 where every one ended well."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    well = True
    for command in SUITES:
        counts, ended_well = run(command)
        well = well and ended_well and counts["passed"] + counts["skipped"] > 0
        for word, number in counts.items():
            total[word] += number
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
