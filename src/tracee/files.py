"""Files that we write: the owner's alone, and never where somebody else's link leads."""

from __future__ import annotations

import errno
import os
import stat

_LINKS = 40
"""Symbolic links followed in one path, as many as the kernel does."""


def open_private(path: str, flags: int = 0) -> tuple[int, bool]:
    """Opens a file for writing; one that is made here is readable by its owner alone, and so is its folder.

    Nothing is followed that anybody may have put there: the file itself must be no link, and no link that leads to its
    folder may stand in a folder that everybody may write to. A file in such a folder must be root's or ours, and have
    no other name.

    Args:
        path: of the file.
        flags: of open(2), beside those for writing: ``O_APPEND``, ``O_TRUNC``.

    Returns:
        The descriptor, and whether the file was made.

    Raises:
        OSError: it cannot be opened, or must not be.
    """
    folder, slash, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    flags |= os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    at = open_folder(folder + slash, make=True)
    try:
        try:
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=at), True
        except FileExistsError:
            pass
        # checked first: with O_TRUNC it would be too late afterwards
        fd = os.open(name, flags & ~os.O_TRUNC, dir_fd=at)
        try:
            _check_owner(os.fstat(fd), at)
            if flags & os.O_TRUNC:
                os.ftruncate(fd, 0)
        except OSError:
            os.close(fd)
            raise
        return fd, False
    finally:
        os.close(at)


def open_folder(path: str, *, make: bool = False) -> int:
    """A descriptor (``O_PATH``) of a folder; empty: the current one. Links are followed as :func:`open_private` does.

    Args:
        path: of the folder.
        make: if only the folder itself is missing, it is made, for us alone; one that would stand at the root is not.

    Raises:
        OSError: it is not there, is no folder, or a link leads there that must not be followed.
    """
    at = _start(path)
    left = _parts(path)
    make = make and not (path.startswith("/") and len(left) == 1)
    links = 0
    try:
        while left:
            part = left.pop()
            if not _is_link(at, part, make=make and not left):
                at = _step(at, part, os.O_NOFOLLOW)
                continue
            links += 1
            folder = os.fstat(at)
            if links > _LINKS or folder.st_mode & stat.S_IWOTH:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if folder.st_dev == _proc():
                # what stands in such a link is no path
                at = _step(at, part, 0)
                continue
            target = os.readlink(part, dir_fd=at)
            left += _parts(target)
            if target.startswith("/"):
                at = _step(at, "/", 0)
    except OSError:
        os.close(at)
        raise
    return at


def _start(path: str) -> int:
    return os.open("/" if path.startswith("/") else ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _is_link(at: int, part: str, *, make: bool) -> bool:
    try:
        return stat.S_ISLNK(os.stat(part, dir_fd=at, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        if not make:
            raise
        os.mkdir(part, 0o700, dir_fd=at)
        return False


def _step(at: int, part: str, flags: int) -> int:
    """From one folder into the next; the first is closed."""
    there = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | flags, dir_fd=at)
    os.close(at)
    return there


def _proc() -> int | None:
    try:
        return os.stat("/proc").st_dev  # noqa: PTH116 - as in output.py
    except OSError:
        return None


def _check_owner(file: os.stat_result, folder: int) -> None:
    """Of a file that was there: whether somebody may have put it there for us to write to."""
    if not stat.S_ISREG(file.st_mode) or not os.fstat(folder).st_mode & stat.S_IWOTH:
        return
    if file.st_uid not in (0, os.geteuid()) or file.st_nlink > 1:
        raise PermissionError(errno.EPERM, "it is somebody else's, in a folder that everybody may write to")
