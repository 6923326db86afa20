"""Programs that begin."""

from __future__ import annotations

import errno
import os

from tracee.doctor.proof.calls import AT_FDCWD, Caller
from tracee.doctor.proof.place import Place
from tracee.doctor.proof.registry import Expected, deed, unproven

EXEC = ("security_bprm_check", "sched_process_exec")
AT_EMPTY_PATH = 0x1000


def _argv(call: Caller) -> tuple[bytes, bytes]:
    return call.texts("proof", "of exec"), call.texts("KEY=value")


def _expected(path: str) -> Expected:
    inode = os.stat(path).st_ino
    return {"pathname": path, "inode": inode, "argv": ["proof", "of exec"], "envp": ["KEY=value"]}


@deed(*EXEC)
def execve(place: Place, call: Caller) -> Expected:
    path = place.program()
    call.child(lambda: call("execve", path, *_argv(call)))
    return _expected(path)


@deed(*EXEC)
def execveat(place: Place, call: Caller) -> Expected:
    path = place.program()
    call.child(lambda: call("execveat", AT_FDCWD, "program", *_argv(call), 0))
    return _expected(path)


@deed(*EXEC)
def execveat_of_a_descriptor(place: Place, call: Caller) -> Expected:
    path = place.program()
    fd = os.open(path, os.O_RDONLY)
    call.child(lambda: call("execveat", fd, "", *_argv(call), AT_EMPTY_PATH))
    return _expected(path)


@deed(*EXEC)
def execveat_of_memory(place: Place, call: Caller) -> Expected:
    """Of a file that no folder has."""
    path = place.program()
    fd = os.memfd_create("proof")
    with open(path, "rb") as file:
        os.write(fd, file.read())
    inode = os.fstat(fd).st_ino
    call.child(lambda: call("execveat", fd, "", *_argv(call), AT_EMPTY_PATH))
    return {"inode": inode, "argv": ["proof", "of exec"]}


@deed("sched_process_exec")
def execve_with_a_loader(place: Place, call: Caller) -> Expected:
    loader = place.program("loader")
    path = place.program("program", loader)
    call.child(lambda: call("execve", path, *_argv(call)))
    return {**_expected(path), "interpreter_pathname": loader}


def _script(place: Place) -> str:
    program = place.program()
    return place.file("script", f"#!{program}\n".encode(), 0o755)


@deed("security_bprm_check", misses="scripts")
def execve_of_a_script(place: Place, call: Caller) -> Expected:
    path = _script(place)
    call.child(lambda: call("execve", path, *_argv(call)))
    return {"pathname": path, "inode": os.stat(path).st_ino}


@deed("sched_process_exec")
def execve_of_a_script_(place: Place, call: Caller) -> Expected:
    path = _script(place)
    call.child(lambda: call("execve", path, *_argv(call)))
    return {"cmdpath": path}


@deed("security_bprm_check", misses="no known format")
def execve_of_no_known_format(place: Place, call: Caller) -> Expected:
    path = place.file("unknown", b"not a program\n", 0o755)
    call.child(lambda: call("execve", path, *_argv(call)))
    return _expected(path)


@deed("task_rename")
def execve_to_rename(place: Place, call: Caller) -> Expected:
    path = place.program("proof-renamed")
    call.child(lambda: call("execve", path, *_argv(call)))
    return {"new_name": "proof-renamed"}


@deed("commit_creds")
def execve_to_get_credentials(place: Place, call: Caller) -> Expected:
    """A program that anyone runs as its owner."""
    path = place.program()
    os.chown(path, 1, 1)
    # tracee-proof's own folder may be on a file system that knows no such programs: then nothing changes
    os.chmod(path, 0o6755)
    call.child(lambda: call("execve", path, *_argv(call)))
    return {"new_cred": {"euid": 1, "egid": 1}}


@deed("process_execute_failed")
def execve_that_fails(place: Place, call: Caller) -> Expected:
    path = place.file("unknown", b"not a program\n", 0o755)
    call.child(lambda: call("execve", path, *_argv(call)))
    return {**_expected(path), "binary.path": path, "retval": -errno.ENOEXEC}


@deed("load_elf_phdrs")
def execve_to_have_it_read(place: Place, call: Caller) -> Expected:
    path = place.program()
    call.child(lambda: call("execve", path, *_argv(call)))
    return _expected(path)


@deed("load_elf_phdrs")
def execve_to_have_its_loader_read(place: Place, call: Caller) -> Expected:
    loader = place.program("loader")
    path = place.program("program", loader)
    call.child(lambda: call("execve", path, *_argv(call)))
    return _expected(loader)


unproven("it takes libraries, and filters that name their symbols", "symbols_loaded", "symbols_collision")
