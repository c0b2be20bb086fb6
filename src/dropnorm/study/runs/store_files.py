"""What must hold of a store's files before SQLite opens them, since SQLite follows what these files say.

A rollback journal can name a super-journal, which SQLite deletes wherever it lies. A write-ahead log, shared memory and
symbolic links make SQLite write to other files. dropnorm's own stores have none of these: one file, and beside it, after
a kill in mid-transaction, a plain rollback journal, which SQLite plays back.
"""

import stat
from contextlib import suppress
from pathlib import Path

from dropnorm.errors import RunError

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")


def check_store_files(path: Path) -> None:
    """Refuse a store that dropnorm did not write so; a store that is not there yet is in order.

    The store itself is not opened here: closing a file gives up all locks that SQLite has on it in this process.
    Raises:      RunError that names the file.
    """
    if _is_there(path):
        check_regular(path)
    for ending in ("-wal", "-shm"):
        log = path.with_name(path.name + ending)
        if log.is_symlink() or log.exists():
            raise _foreign(log, "belongs to a write-ahead log")
    with suppress(FileNotFoundError):  # a study that is running may remove its journal at any moment
        _check_journal(path.with_name(path.name + "-journal"), path)


def _check_journal(journal: Path, path: Path) -> None:
    found = journal.lstat()
    _check_kind(journal, found.st_mode)
    if _is_there(path) and path.stat().st_nlink > 1:
        raise _foreign(path, "has another name too, by a hard link, and a journal that would be played back into both")
    with journal.open("rb") as file:
        file.seek(max(0, found.st_size - len(_JOURNAL_MAGIC)))
        if file.read() == _JOURNAL_MAGIC:
            raise _foreign(journal, "names a file that SQLite would delete")


def check_regular(path: Path) -> None:
    """Refuse what is no file of its own: a symbolic link, a pipe, a device, a folder.

    Raises:      RunError that names it; for a file that is not there, too.
    """
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}). Name a folder that `dropnorm study` wrote."
        ) from error
    _check_kind(path, mode)


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
        kind = kinds.get(stat.S_IFMT(mode), "a device or socket")
        raise RunError(f"{path}: is {kind}, where a run has a file. Put the file itself there, or use another --out.")


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _foreign(path: Path, what: str) -> RunError:
    return RunError(
        f"{path}: {what}, as no store of dropnorm's does: expected a run that `dropnorm study` wrote. Nothing was opened. Use "
        f"another --out, or remove the file."
    )
