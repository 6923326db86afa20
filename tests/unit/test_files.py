"""Files that we write to: whose they are, and which links are followed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tracee.files import open_private


@pytest.fixture
def open_to_all(tmp_path: Path) -> Path:
    """A folder like /tmp."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def refusal(path: Path) -> int | None:
    with pytest.raises(OSError, match=r".") as raised:
        open_private(str(path))
    return raised.value.errno


def test_a_new_file_is_the_owners(tmp_path: Path) -> None:
    fd, made = open_private(str(tmp_path / "new"))
    assert made
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
    os.close(fd)


def test_a_folder_that_alone_is_missing(tmp_path: Path) -> None:
    os.close(open_private(str(tmp_path / "folder" / "new"))[0])
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    for path in (tmp_path / "a" / "b" / "new", Path("/no-such-folder/new")):
        with pytest.raises(FileNotFoundError):
            open_private(str(path))
    assert not (tmp_path / "a").exists()


def test_what_was_there_stays_unless_it_is_to_go(tmp_path: Path) -> None:
    file = tmp_path / "old"
    file.write_text("text")
    fd, made = open_private(str(file), os.O_APPEND)
    assert not made
    os.write(fd, b" more")
    os.close(fd)
    assert file.read_text() == "text more"
    os.close(open_private(str(file), os.O_TRUNC)[0])
    assert file.read_text() == ""


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for path in ("a", "./b", "folder/../c", "folder//d"):
        os.close(open_private(path)[0])
        assert Path(path).exists()
    for path in ("", ".", "folder/", "folder/.."):
        with pytest.raises(IsADirectoryError):
            open_private(path)


def test_a_file_that_is_a_link_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert refusal(tmp_path / "link") == errno.ELOOP
    assert not (tmp_path / "target").exists()


def test_links_to_folders_are_followed_where_only_root_puts_them(tmp_path: Path, open_to_all: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "relative").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "relative")
    os.close(open_private(str(tmp_path / "absolute" / "file"))[0])
    assert (tmp_path / "real" / "file").exists()
    # and not where everybody can
    (open_to_all / "link").symlink_to(tmp_path / "real")
    assert refusal(open_to_all / "link" / "other") == errno.ELOOP
    (tmp_path / "detour").symlink_to(open_to_all / "link")
    assert refusal(tmp_path / "detour" / "other") == errno.ELOOP
    assert not (tmp_path / "real" / "other").exists()


def test_links_that_go_round(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert refusal(tmp_path / "a" / "file") == errno.ELOOP


def test_links_of_proc_lead_where_the_kernel_says(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    os.rename(tmp_path, f"{tmp_path}-moved")
    os.close(open_private(f"/proc/self/fd/{fd}/file")[0])
    assert Path(f"{tmp_path}-moved", "file").exists()
    os.rename(f"{tmp_path}-moved", tmp_path)
    os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of other users take root")
def test_somebody_elses_file_in_a_folder_for_all(tmp_path: Path, open_to_all: Path) -> None:
    theirs = open_to_all / "theirs"
    theirs.write_text("text")
    os.chown(theirs, 12345, 12345)
    with pytest.raises(PermissionError):
        open_private(str(theirs), os.O_TRUNC)
    assert theirs.read_text() == "text"
    ours = tmp_path / "precious"
    ours.write_text("text")
    os.link(ours, open_to_all / "other-name")
    with pytest.raises(PermissionError):
        open_private(str(open_to_all / "other-name"), os.O_TRUNC)
    assert ours.read_text() == "text"
    # where only root writes, a file may be anybody's
    os.chown(ours, 12345, 12345)
    os.close(open_private(str(ours))[0])
