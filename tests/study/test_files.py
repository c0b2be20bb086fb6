import errno
import os
import stat

import pytest

from dropnorm.errors import RunError, StorageError
from dropnorm.study.files import write_atomically, write_in_run, write_where_told


def test_a_file_is_written_and_replaced(tmp_path):
    for content in (b"old, and longer than the new", b"new", b""):
        write_atomically(tmp_path / "a.txt", content)
        assert (tmp_path / "a.txt").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (type(path), "replace")}[failing], fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_told_with_what_to_do(code, tmp_path, monkeypatch, refuses):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    message = (
        f"{path}: cannot be written ({os.strerror(code)}). What was finished before is kept: make room on the disk, and start "
        f"the same command again."
    )
    with refuses(StorageError, message):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_no_half_file(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", b"new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_file_is_as_readable_as_any_other_of_the_user(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a.txt", b"new")
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask
    finally:
        assert os.umask(before) == umask, "left as it was"


def test_a_place_that_the_user_named_and_that_is_not_there(tmp_path, refuses):
    write_where_told(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    path = tmp_path / "none" / "a.txt"
    with refuses(RunError, f"{path}: cannot be written (No such file or directory). Name a file in a folder of yours."):
        write_where_told(path, b"new")


def test_a_run_whose_folder_is_gone(tmp_path, refuses):
    write_in_run(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    path = tmp_path / "none" / "a.txt"
    message = (
        f"{path}: cannot be written (No such file or directory): the run's folder was removed, moved or made read-only "
        f"while the study ran. What was saved before is kept in the folder. Put the folder back, or make it writable, and "
        f"start the same command again."
    )
    with refuses(StorageError, message):
        write_in_run(path, b"new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path, refuses):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    message = (
        f"{path}: cannot be written (a device or a pipe, which would be replaced). Name a file in a folder of yours."
    )
    with refuses(RunError, message):
        write_where_told(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_fifo()
