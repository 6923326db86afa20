"""A path filter names a file, not a spelling: the other paths by which a program, or the kernel, may call that file."""

from __future__ import annotations

import errno
import os

_MOST_LINKS = 40
"""As many as the kernel follows."""
_MOST_KNOWN = 10_000
"""Values of which the answer is remembered."""
_LINKED_FROM = ("", "/usr", "/var")
"""Where hosts keep links to whole folders: /bin, /lib64, /usr/sbin, /var/run."""


class Paths:
    """The paths of one host, as they are now. What was looked up once is not looked up again."""

    def __init__(self, root: str = "/") -> None:
        """``root``: the folder that is ``/`` to all paths, links' targets included."""
        self._root = root.rstrip("/")
        self._known: dict[str, tuple[str, ...]] = {}
        self._links: list[tuple[str, str]] | None = None

    def others(self, value: str) -> tuple[str, ...]:
        """What a filter's value also stands for, itself left out; nothing for what is no absolute path.

        Of a value with ``*`` the folder before the first one is resolved, and the rest kept. A file that is not there
        (yet) is found in the folder that is.
        """
        if not value.startswith("/"):
            return ()
        if value not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[value] = tuple(self._others(value))
        return self._known[value]

    def _others(self, value: str) -> list[str]:
        folder = value.partition("*")[0].rpartition("/")[0]
        found = [value]
        resolved = self._resolve(folder)
        if resolved is not None:
            found.append(resolved + value[len(folder) :])
        if "*" not in value:
            whole = self._resolve(value)
            if whole:
                found.append(whole)
        for path in tuple(found):
            found += [link + path[len(to) :] for link, to in self._linked_folders() if path.startswith(to + "/")]
        # a file's own name may have a star or bytes that a filter cannot say
        stars = value.count("*")
        return [path for path in dict.fromkeys(found) if path != value and path.count("*") == stars and _is_text(path)]

    def _linked_folders(self) -> list[tuple[str, str]]:
        """Links to folders, and where they lead."""
        if self._links is None:
            self._links = []
            for base in _LINKED_FROM:
                for name in _names(f"{self._root}{base}/"):
                    link = f"{base}/{name}"
                    if os.path.islink(self._root + link):  # noqa: PTH114 - importing pathlib takes 4 ms of every start
                        to = self._resolve(link)
                        if to and os.path.isdir(self._root + to):  # noqa: PTH112
                            self._links.append((link, to))
        return self._links

    def _resolve(self, path: str) -> str | None:
        """The path without links, empty for the root itself; None where it leads nowhere.

        /proc leads nowhere either: its links say what they say to who follows them.
        """
        done: list[str] = []
        to_do = path.split("/")[::-1]
        links = 0
        while to_do:
            part = to_do.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            here = "/".join(("", *done, part))
            if here == "/proc":
                return None
            try:
                target = os.readlink(self._root + here)  # noqa: PTH115
            except ValueError:
                return None  # no file has such a name
            except OSError as error:
                if error.errno != errno.EINVAL:
                    return None
                done.append(part)  # it is there, and no link
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            if target.startswith("/"):
                done.clear()
            to_do += target.split("/")[::-1]
        return "".join(f"/{part}" for part in done)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []  # a host without it has no links in it


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
