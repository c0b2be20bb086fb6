"""Parquet and Arrow (Feather) files, whose columns have types of their own."""

import io
from pathlib import Path

import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.sources.table import first_line

_ARROW_FILE = b"ARROW1"


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file.

    Raises:      DataError if it is damaged or is none.
    """
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(path, "Parquet", error) from error


def read_arrow(path: Path) -> pl.DataFrame:
    """Read an Arrow file, which Feather is too, or a saved Arrow stream.

    Raises:      DataError if it is damaged or is none.
    """
    try:
        # From bytes in memory, since a mapped file that another process shortens would end this one.
        content = path.read_bytes()
        read = pl.read_ipc if content.startswith(_ARROW_FILE) else pl.read_ipc_stream
        return read(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(path, "Arrow", error) from error


def _unreadable(path: Path, kind: str, error: BaseException) -> DataError:
    # Polars' readers panic over some damages, and then speak of their own insides.
    reason = "it is damaged" if isinstance(error, pl.exceptions.PanicException) else first_line(error)
    return DataError(f"{path}: is not a readable {kind} file ({reason}). Expected a whole one: write it anew.")
