"""Parquet and Arrow (Feather) files, whose columns have types of their own."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.sources.decoding import looks_like
from dropnorm.study.data.sources.table import first_line
from dropnorm.study.memory import check_fits

_ARROW_FILE = b"ARROW1"
_BYTES = 8  # of a number or a date


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file.

    Raises:      DataError if it is damaged or is none.
    """
    try:
        with _without_panics():
            scanned = pl.scan_parquet(path, glob=False)
            rows, columns = scanned.select(pl.len()).collect().item(), len(scanned.collect_schema())
            check_fits(path, f"a table of {rows:,} rows and {columns:,} columns", _BYTES * rows * columns)
            return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(path, "Parquet", error) from error


def read_arrow(path: Path) -> pl.DataFrame:
    """Read an Arrow file, which Feather is too, or a saved Arrow stream.

    Raises:      DataError if it is damaged or is none.
    """
    try:
        # From bytes in memory, since a mapped file that another process shortens would end this one.
        check_fits(path, "the file, and its table beside it", 2 * path.stat().st_size)
        content = path.read_bytes()
        read = pl.read_ipc if content.startswith(_ARROW_FILE) else pl.read_ipc_stream
        with _without_panics():
            return read(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(path, "Arrow", error) from error


@contextmanager
def _without_panics() -> Iterator[None]:
    """Keep from standard error what Polars' readers print when they panic, before they raise it."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _unreadable(path: Path, kind: str, error: BaseException) -> DataError:
    # Polars' readers panic over some damages, and then speak of their own insides.
    reason = "it is damaged" if isinstance(error, pl.exceptions.PanicException) else first_line(error)
    look = looks_like(path)
    remedy = look if look and kind not in look else "Expected a whole one: write it anew."
    return DataError(f"{path}: is not a readable {kind} file ({reason}). {remedy}")
