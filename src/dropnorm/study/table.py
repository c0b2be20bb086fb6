"""Tables in: a bundled data set by name, a CSV or Parquet file, or what Python users have in memory, as a polars frame."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn import datasets

from dropnorm._validate import closest
from dropnorm.errors import ArgumentTypeError, DataError, RunError
from dropnorm.study.files import write_atomically

BUNDLED = {
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"]
_DECIMAL_COMMA = r"^\s*[+-]?\d+(,\d+)?\s*$"
_PARQUET = (".parquet", ".pq")
_SEPARATORS = (",", ";", "\t")


def read_table(source: str | Path, target: str | None) -> tuple[pl.DataFrame, str]:
    """Read a bundled set, a CSV or a Parquet file; returns the table and the name of its target column.

    Raises:      DataError that names the file, and the line or the column, for whatever cannot be read as a table.
    """
    path = Path(source)
    table = read_file(path, () if target is None else (target,))
    if target is None and _is_bundled(path):
        return table, "target"
    if target is None:
        raise DataError(
            f"{path}: the column to predict is not given. Name it with --target, one of: {_listed(table.columns)}."
        )
    return table, target


def read_file(path: Path, texts: Sequence[str] = ()) -> pl.DataFrame:
    """Read a CSV or Parquet file, or a bundled set; of a CSV, the columns named in `texts` as texts."""
    if _is_bundled(path):
        return _bundled(path.name)
    if not path.exists():
        meant = closest(str(path), BUNDLED)
        hint = f" Did you mean the bundled set {meant!r}?" if meant else ""
        raise DataError(f"{path}: no such file. Expected a CSV or Parquet file, or one of {_listed(BUNDLED)}.{hint}")
    if path.is_dir():
        raise DataError(f"{path}: is a folder. Expected a CSV or Parquet file.")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. Expected a header line with column names, and rows below it.")
    table = _read_parquet(path) if path.suffix.lower() in _PARQUET else _read_csv(path, texts)
    if table.height == 0:
        raise DataError(f"{path}: the file has column names and no rows. Expected rows below the header.")
    return table


def from_memory(X: Any) -> pl.DataFrame:
    """A polars frame of a polars or pandas frame, or of a two-dimensional array or tensor (columns x0, x1, ...)."""
    if isinstance(X, pl.DataFrame):
        return X
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        columns: dict[str, pl.Series] = {}
        for index, name in enumerate(map(str, X.columns)):
            if name in columns:
                raise DataError(f"X: the column name {name!r} is there twice. Expected each name once: rename one.")
            columns[name] = _series(X.iloc[:, index])
        return pl.DataFrame(columns)
    array = _array(X)
    if array.ndim < 2 or array.dtype == object:
        raise ArgumentTypeError(
            f"X of shape {array.shape} and dtype {array.dtype} is not a table: expected a frame, or a numeric array of "
            f"shape (rows, columns)."
        )
    flat = array.reshape(len(array), math.prod(array.shape[1:]))
    return pl.DataFrame({f"x{index}": flat[:, index] for index in range(flat.shape[1])})


def as_column(y: Any) -> pl.Series:
    """A polars column of a series, list, array or tensor of labels."""
    if isinstance(y, pl.Series):
        return y.alias("target")
    column = _series(y) if hasattr(y, "iloc") else _labels(_array(y).reshape(-1))
    return column.alias("target")


def _array(values: Any) -> np.ndarray:
    """A NumPy array of a list, array or tensor; of a tensor its values, wherever they lie and in whatever precision."""
    if not hasattr(values, "detach"):
        return np.asarray(values)
    values = values.detach().cpu()
    return np.asarray(values.double() if values.is_floating_point() else values)


def _labels(labels: np.ndarray) -> pl.Series:
    """Labels, among which None is a missing one."""
    return pl.Series(labels.tolist(), strict=False) if labels.dtype == object else pl.Series(labels)


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a CSV or, by its ending, a Parquet file, whole or not at all."""
    buffer = io.BytesIO()
    if path.suffix.lower() in _PARQUET:
        table.write_parquet(buffer)
    else:
        table.write_csv(buffer)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}). Name a file in a folder of yours.") from error


def _series(values: Any) -> pl.Series:
    """A pandas series, whose missing values may be None, NaN or NA, and whose categories are texts."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biufM" and not values.isna().any():
        return pl.Series(values.to_numpy())
    plain = values.astype(object).where(values.notna(), None).to_list()
    if hasattr(values, "cat"):
        plain = [None if value is None else str(value) for value in plain]
    return pl.Series(plain, strict=False)


def _listed(names: Any, limit: int = 12) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def _is_bundled(path: Path) -> bool:
    """Whether a bundled set is meant: a file of that name comes first."""
    return str(path) in BUNDLED and not path.exists()


def _bundled(name: str) -> pl.DataFrame:
    bunch = BUNDLED[name]()
    columns = {str(column): bunch.data[:, index] for index, column in enumerate(bunch.feature_names)}
    return pl.DataFrame(columns | {"target": np.asarray(bunch.target_names)[bunch.target].astype(str)})


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: is not a readable Parquet file ({_first_line(error)}). Write it anew.") from error


def _read_csv(path: Path, texts: Sequence[str]) -> pl.DataFrame:
    separator, empty = _check_csv(path)
    try:
        # The types of columns that must stay texts are not left to the values that happen to be in this file.
        header = pl.read_csv(path, separator=separator, n_rows=0, glob=False).columns
        table = pl.read_csv(
            path,
            separator=separator,
            null_values=MISSING,
            infer_schema_length=None,
            schema_overrides={name: pl.String for name in texts if name in header},
            glob=False,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: is not a readable CSV file ({_first_line(error)}).") from error
    # Polars makes a row of an empty line. In a single column that is right: the value is missing.
    table = table if table.width == 1 else table.filter(~pl.int_range(pl.len()).is_in(empty))
    return table if separator == "," else table.with_columns(_with_decimal_comma(column, texts) for column in table)


def _with_decimal_comma(column: pl.Series, texts: Sequence[str]) -> pl.Series:
    """Numbers, if the column holds nothing but numbers with commas for points, as files with semicolons often do."""
    if column.dtype != pl.String or column.name in texts or not column.drop_nulls().str.contains(_DECIMAL_COMMA).all():
        return column
    return column.str.replace(",", ".", literal=True).cast(pl.Float64)


def _check_csv(path: Path) -> tuple[str, list[int]]:
    """Find the first malformed line, which polars would fill up or report without its number.

    Returns the separator, and which rows are empty lines.
    """
    line, empty = 0, []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            separator = max(_SEPARATORS, key=head.count)
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


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
