"""The values of a column of whatever type: which are missing, as numbers, as texts."""

import numpy as np
import polars as pl

from dropnorm.errors import DataError

LARGEST = 1e100


def is_number(column: pl.Series) -> bool:
    """Whether its values are numbers, truth values, or lengths and times of day, which are numbers of microseconds."""
    return column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Duration, pl.Time)


def is_text(column: pl.Series) -> bool:
    """Whether its values are texts, or categories named by texts."""
    return column.dtype in (pl.String, pl.Categorical, pl.Enum)


def without_value(column: pl.Series) -> pl.Series:
    """Which rows are missing: null, or in a column of floats NaN."""
    missing = column.is_null()
    return missing | column.is_nan().fill_null(value=True) if column.dtype.is_float() else missing


def as_text(column: pl.Series) -> list[str]:
    """Values as names of classes and categories: 1.0 in a column of floats is 1."""
    return [str(int(value) if isinstance(value, float) and value.is_integer() else value) for value in column]


def as_numbers(column: pl.Series, source: str) -> np.ndarray:
    """A column of numbers as float64 with NaN for missing; infinity, and what has an infinite variance, is an error."""
    values = _physical(column).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    infinite = np.abs(values) > LARGEST
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(
            f"{source}: the column {column.name!r} is infinite or beyond {LARGEST:g} in {infinite.sum()} rows, "
            f"first in row {row + 1} (line {row + 2} of a file): expected finite or missing values. "
            f"Replace them, or leave the column out."
        )
    return values


def stray_text(column: pl.Series) -> str:
    """Of a column of numbers that some texts made a column of texts, the first such text."""
    stray = column.cast(pl.String).cast(pl.Float64, strict=False).is_null() & column.is_not_null()
    if stray.sum() * 2 >= len(column):
        return ""
    row = int(stray.to_numpy().argmax())
    return f" Most are numbers, but row {row + 1} (line {row + 2} of a file) holds {column[row]!r}."


def _physical(column: pl.Series) -> pl.Series:
    """Durations in microseconds, since the table to predict may keep them in another unit than the studied one."""
    if column.dtype == pl.Duration:
        return column.dt.total_microseconds()
    return column.to_physical() if column.dtype == pl.Time else column
