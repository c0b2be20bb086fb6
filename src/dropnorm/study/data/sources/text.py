"""CSV and TSV files: separators, decimal commas and byte order marks as they are, and errors with a line's number."""

import csv
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.sources.table import first_line

MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"]
_DECIMAL_COMMA = r"^\s*[+-]?\d+(,\d+)?\s*$"
_SEPARATORS = (",", ";", "\t")


def read_text(path: Path, texts: Sequence[str] = (), target: str | None = None) -> pl.DataFrame:
    """Read a CSV or, by its ending, a TSV file.

    Args:        texts: columns that stay as they are written; target: a column that does too, but for decimal commas, since
                 it may be a class or a quantity.
    Raises:      DataError that names the file, and the line or the column.
    """
    separator, empty = _check(path)
    kept = [*texts, *([] if target is None else [target])]
    try:
        # The types of columns that must stay texts are not left to the values that happen to be in this file.
        header = pl.read_csv(path, separator=separator, n_rows=0, glob=False).columns
        frame = pl.read_csv(
            path,
            separator=separator,
            null_values=MISSING,
            infer_schema_length=None,
            schema_overrides={name: pl.String for name in kept if name in header},
            glob=False,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: is not a readable CSV file ({first_line(error)}).") from error
    # Polars makes a row of an empty line. In a single column that is right: the value is missing.
    frame = frame if frame.width == 1 else frame.filter(~pl.int_range(pl.len()).is_in(empty))
    if separator != ";":
        return frame
    return frame.with_columns(
        _with_decimal_point(column, keep_text=column.name == target) for column in frame if column.name not in texts
    )


def _with_decimal_point(column: pl.Series, *, keep_text: bool) -> pl.Series:
    """Numbers, if the column holds nothing but numbers with commas for points, as files with semicolons often do."""
    if column.dtype != pl.String or not column.drop_nulls().str.contains(_DECIMAL_COMMA).all():
        return column
    pointed = column.str.replace(",", ".", literal=True)
    return pointed if keep_text else pointed.cast(pl.Float64)


def _check(path: Path) -> tuple[str, list[int]]:
    """Find the first malformed line, which polars would fill up or report without its number.

    Returns the separator, and which rows are empty lines.
    """
    line, empty = 0, []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            separator = "\t" if path.suffix.lower() == ".tsv" else max(_SEPARATORS, key=head.count)
            reader = csv.reader(file, delimiter=separator, strict=True)
            header = next(reader, [])
            _check_header(path, header)
            for index, row in enumerate(reader):
                line = reader.line_num
                if not row:
                    empty.append(index)
                elif len(row) != len(header):
                    raise DataError(
                        f"{path}, line {line}: {len(row)} fields, where the header names {len(header)} columns. "
                        f"Mend the line, or quote fields that hold a {separator!r}."
                    )
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {_undecodable_line(path)}: not UTF-8 text ({error.reason}). Save the file as UTF-8."
        ) from error
    except csv.Error as error:
        raise DataError(f"{path}, line {line + 1}: malformed CSV ({error}). Mend the quotes of that line.") from error
    return separator, empty


def _undecodable_line(path: Path) -> int:
    """The first line that is not UTF-8: text is decoded in blocks, whose error says nothing of lines."""
    with path.open("rb") as file:
        return next(number for number, line in enumerate(file, 1) if line.decode(errors="ignore").encode() != line)


def _check_header(path: Path, header: list[str]) -> None:
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise DataError(
                f"{path}, line 1: the column name {name!r} is there twice. Expected each name once: rename one."
            )
        seen.add(name)
