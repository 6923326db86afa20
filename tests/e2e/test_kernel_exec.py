"""Programs about to be executed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from conftest import Tracee
from kernel_events import watch

EXEC = """
for number in range(2):
    if not os.fork():
        if number:
            os.execve(os.open(sys.argv[1], os.O_RDONLY), ["by number", "b"], {"KEY": "second"})
        os.execve(sys.argv[1], ["other", "a", ""], {"KEY": "value", "EMPTY": ""})
    os.wait()
if not os.fork():
    try:
        os.execve(sys.argv[1] + "-is-not-there", ["x"], {})
    except FileNotFoundError:
        os._exit(0)
os.wait()
"""


def test_program_about_to_run(tracee: Tracee, tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    stat = os.stat(program)
    seen = watch(tracee, ["security_bprm_check"], EXEC, program)
    told = [e for e in seen.of("security_bprm_check") if str(e["pathname"]).startswith(str(program))]
    assert [(e["pathname"], e["dev"], e["inode"]) for e in told] == [(str(program), stat.st_dev, stat.st_ino)] * 2
    assert (told[0]["argv"], told[0]["envp"]) == (["other", "a", ""], ["KEY=value", "EMPTY="])
    assert (told[1]["argv"], told[1]["envp"]) == (["by number", "b"], ["KEY=second"])
