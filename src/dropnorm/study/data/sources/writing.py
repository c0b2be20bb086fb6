"""Tables out: predictions in the format that a file's ending names."""

import io
from pathlib import Path

import polars as pl

from dropnorm._validate import closest
from dropnorm.errors import ArgumentError
from dropnorm.study.files import write_where_told

ENDINGS = (".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather", ".ipc")


def check_ending(path: Path) -> None:
    """Refuse a name whose ending does not say what kind of file it shall be."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        meant = closest(ending, ENDINGS)
        raise ArgumentError(
            f"{path}: files that end with {ending or 'no ending'} are not written. Expected one of {', '.join(ENDINGS)}."
            + (f" Did you mean {path.with_suffix(meant)}?" if meant else "")
        )


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a CSV, TSV, Parquet or Arrow file, as its ending says, whole or not at all.

    Raises:      ArgumentError for another ending, RunError for a place that cannot be written to.
    """
    check_ending(path)
    buffer = io.BytesIO()
    match path.suffix.lower():
        case ".parquet" | ".pq":
            frame.write_parquet(buffer)
        case ".arrow" | ".feather" | ".ipc":
            frame.write_ipc(buffer)
        case ".tsv":
            frame.write_csv(buffer, separator="\t")
        case _:  # .csv
            frame.write_csv(buffer)
    write_where_told(path, buffer.getvalue())
