"""Kernel modules that come and go, what they do, and how they hide. In guests only: tests/kernels/run.py."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import JsonEvent, Run, Tracee, wait_until
from kernel_events import ATTACH, values
from objects import address, available, loaded

pytestmark = pytest.mark.skipif(available() is None, reason="no test modules here: see tests/kernels/run.py")

MODULE_FILE = 2
"""READING_MODULE of the kernel's enum kernel_read_file_id: what the kernel reads a file for."""


@contextmanager
def traced(tracee: Tracee, *events: str) -> Iterator[Run]:
    """Traces those of the events that can be had by the ways under test; skips where that is none."""
    with tracee.run("--events", ",".join((*events, "getppid")), "--attach", ATTACH, "--output", "json") as run:
        if not any(f"DEBUG {event} is taken by" in run.stderr for event in events):
            pytest.skip(f"none of {', '.join(events)} is to be had here by {ATTACH} ways")
        yield run


def told(run: Run, name: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> list[dict[str, Any]]:
    """Arguments of the events of that name that are wanted, so far; `retval` among them."""
    all_of = [e for e in run.events_so_far() if e["eventName"] == name]
    return [v for v in ({**values(e), "retval": e["returnValue"]} for e in all_of) if wanted(v)]


def had(run: Run, name: str) -> bool:
    return f"DEBUG {name} is taken by" in run.stderr


def until_seen(run: Run) -> None:
    """Waits until what has been done so far has been printed: events come in the order of time."""
    before = len([e for e in run.events_so_far() if e["eventName"] == "getppid" and e["hostProcessId"] == os.getpid()])

    def seen() -> bool:
        os.getppid()
        ours: list[JsonEvent] = [e for e in run.events_so_far() if e["hostProcessId"] == os.getpid()]
        return len([e for e in ours if e["eventName"] == "getppid"]) > before

    wait_until(seen, "a call to be seen")


def test_a_module_comes_and_goes(tracee: Tracee) -> None:
    events = ["module_load", "do_init_module", "module_free", "security_kernel_read_file"]
    with traced(tracee, *events, "security_kernel_post_read_file") as run:
        with loaded("hello") as file:
            srcversion = Path("/sys/module/hello/srcversion").read_text(encoding="utf-8").strip()
        until_seen(run)
        known = {"name": "hello", "version": "1.2", "src_version": srcversion}
        (load,) = told(run, "module_load", lambda v: v["name"] == "hello")
        stat = file.stat()
        path = str(file.resolve())
        whence = {"pathname": path, "inode": stat.st_ino, "dev": stat.st_dev, "ctime": stat.st_ctime_ns}
        assert {**load, **known, **whence} == load
        (free,) = told(run, "module_free", lambda v: v["name"] == "hello")
        assert {**free, **known} == free
        if had(run, "do_init_module"):
            (init,) = told(run, "do_init_module", lambda v: v["name"] == "hello")
            assert {**init, **known, "retval": 0} == init
        if had(run, "security_kernel_read_file"):
            (read,) = told(run, "security_kernel_read_file", lambda v: v["pathname"] == path)
            assert {**read, **whence, "type": MODULE_FILE} == read
            (post,) = told(run, "security_kernel_post_read_file", lambda v: v["pathname"] == path)
            assert (post["size"], post["type"]) == (stat.st_size, MODULE_FILE)
        assert run.end() == 0


def test_what_a_module_registers(tracee: Tracee) -> None:
    events = ["kprobe_attach", "kallsyms_lookup_name", "proc_create", "debugfs_create_dir", "debugfs_create_file"]
    with traced(tracee, *events, "device_add", "register_chrdev") as run:
        with loaded("probes"):
            devices = Path("/proc/devices").read_text(encoding="utf-8")
            major = int(re.findall(r"(\d+) test_probes", devices)[0])
            symbols = Path("/proc/kallsyms").read_text(encoding="utf-8")
        until_seen(run)
        own = {
            name: int(where, 16) for where, name in re.findall(r"^(\w+) \w (\w+)\t\[probes\]$", symbols, re.MULTILINE)
        }
        probed = {(v["symbol_name"], int(v["pre_handler_addr"], 16)) for v in told(run, "kprobe_attach")}
        assert ("do_exit", own["before"]) in probed
        searched = {(v["symbol_name"], int(v["symbol_address"], 16)) for v in told(run, "kallsyms_lookup_name")}
        assert ("sys_call_table", address("sys_call_table")) in searched
        (entry,) = told(run, "proc_create", lambda v: v["name"] == "test_probes")
        assert int(entry["proc_ops_addr"], 16) == own["entry_ops"]
        (folder,) = told(run, "debugfs_create_dir", lambda v: v["name"] == "test_probes")
        assert folder["path"] == "/"
        (file,) = told(run, "debugfs_create_file", lambda v: v["path"] == "/test_probes")
        assert (file["file_name"], file["mode"] & 0o777) == ("file", 0o400)
        assert int(file["proc_ops_addr"], 16) == own["device_ops"]
        assert "test_probes" in [v["name"] for v in told(run, "device_add")]
        (device,) = told(run, "register_chrdev", lambda v: v["char_device_name"] == "test_probes")
        assert (device["requested_major_number"], device["granted_major_number"]) == (0, major)
        assert int(device["char_device_fops"], 16) == own["device_ops"]
        assert run.end() == 0


def test_a_hook_by_ftrace_is_found(tracee: Tracee) -> None:
    """The module's kprobe is on the same function: the kernel says that there are two, and whose only of one alone."""

    def both(hook: dict[str, Any]) -> bool:
        return bool(hook["symbol"] == "do_exit" and hook["count"] == 2)

    with traced(tracee, "ftrace_hook") as run, loaded("probes"):
        functions = Path("/sys/kernel/tracing/enabled_functions").read_text(encoding="utf-8")
        what = f"the hook: {re.findall('^do_exit.*', functions, re.MULTILINE)}"
        wait_until(lambda: bool(told(run, "ftrace_hook", both)), what, 40)
        (hook,) = told(run, "ftrace_hook", both)
        assert hook["callback"] != ""
        assert "I" in hook["flags"].split()


def test_a_hidden_module_is_found(tracee: Tracee) -> None:
    with traced(tracee, "hidden_kernel_module", "hidden_kernel_module_seeker") as run:
        state = Path("/proc/test_hidden")
        with loaded("hidden", hide=0):
            try:
                # the section that holds its struct module
                section = Path("/sys/module/hidden/sections/.gnu.linkonce.this_module")
                where = int(section.read_text(encoding="utf-8"), 16)
                state.write_text("1", encoding="utf-8")
                wait_until(lambda: bool(told(run, "hidden_kernel_module")), "the module to be found")
            finally:
                state.write_text("0", encoding="utf-8")
        assert {v["name"] for v in told(run, "hidden_kernel_module")} == {"hidden"}
        assert int(told(run, "hidden_kernel_module")[0]["address"], 16) == where
        assert told(run, "hidden_kernel_module_seeker", lambda v: v["name"] == "hidden")


def test_a_hooked_system_call_is_found(tracee: Tracee) -> None:
    with (
        traced(tracee, "hooked_syscall") as run,
        loaded("hooksys", table=address("sys_call_table"), number=111),
    ):
        wait_until(lambda: bool(told(run, "hooked_syscall")), "the hook")
        (hook,) = told(run, "hooked_syscall")
        assert (hook["syscall"], hook["function"], hook["owner"]) == ("getpgrp", "hooked_call", "hooksys")
        assert int(hook["address"], 16) == address_in("hooksys", "hooked_call")


def test_hooked_lists_of_proc_are_found(tracee: Tracee) -> None:
    tables = {"seq_ops": address("tcp4_seq_ops"), "file_ops": address("proc_root_operations")}
    with traced(tracee, "hooked_seq_ops", "hooked_proc_fops") as run, loaded("hookseq", **tables):
        wait_until(lambda: bool(told(run, "hooked_proc_fops")), "the hooks")
        (seq,), (files,) = told(run, "hooked_seq_ops"), told(run, "hooked_proc_fops")
        assert "hooked_show" in str(seq)
        assert "tcp4_seq_ops_show" in str(seq)
        assert "hooked_iterate" in str(files)
        assert str(seq).count("hookseq") == str(files).count("hookseq") == 1


def address_in(module: str, symbol: str) -> int:
    """Where a module has a symbol, by /proc/kallsyms."""
    symbols = Path("/proc/kallsyms").read_text(encoding="utf-8")
    return int(re.findall(rf"^(\w+) \w {symbol}\t\[{module}\]$", symbols, re.MULTILINE)[0], 16)
