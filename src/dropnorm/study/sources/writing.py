"""Tables out: predictions in the format that a file's ending names."""

import io
from pathlib import Path

import polars as pl

from dropnorm.errors import RunError
from dropnorm.study.files import write_atomically


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a CSV or, by its ending, a TSV, Parquet or Arrow file, whole or not at all."""
    buffer = io.BytesIO()
    match path.suffix.lower():
        case ".parquet" | ".pq":
            frame.write_parquet(buffer)
        case ".arrow" | ".feather" | ".ipc":
            frame.write_ipc(buffer)
        case ".tsv":
            frame.write_csv(buffer, separator="\t")
        case _:
            frame.write_csv(buffer)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}). Name a file in a folder of yours.") from error
