"""Files written whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dropnorm.errors import RunError, StorageError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at once, so that whoever reads it, or a crash, finds the old or the new and never a part.

    Raises:      StorageError if the disk is full, OSError for a place that cannot be written to, or has no file.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(errno.EINVAL, "a device or a pipe, which would be replaced")
        _write_beside_and_replace(path, content)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}). What was finished before is kept: make room on the disk, and start "
            f"the same command again."
        ) from error


def _write_beside_and_replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are for their owner alone; this one is as any other that the user writes
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed `write_atomically` left beside files of these names."""
    for name in names:
        for path in folder.glob(f".{name}.{'[a-z0-9_]' * 8}"):
            if path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)


def write_in_run(path: Path, content: bytes) -> None:
    """`write_atomically` in the folder of a run, which was there when the study began.

    Raises:      StorageError if the disk is full, or the folder cannot be written to any more.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}): the run's folder was removed, moved or made read-only while "
            f"the study ran. What was saved before is kept in the folder. Put the folder back, or make it writable, and start "
            f"the same command again."
        ) from error


def write_where_told(path: Path, content: bytes) -> None:
    """`write_atomically` at a place that the user named.

    Raises:      RunError for a place that cannot be written to, StorageError if the disk is full.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}). Name a file in a folder of yours.") from error
