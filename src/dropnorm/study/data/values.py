"""The values of a column of whatever type: which are missing, as numbers, as texts."""

import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.missing_marks import without_marks
from dropnorm.study.data.sources.table import Source

LARGEST = 1e100
_EXACT = 2.0**63


def is_number(column: pl.Series) -> bool:
    """Whether its values are numbers, truth values, or lengths and times of day, which are numbers of microseconds."""
    return column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Duration, pl.Time)


def is_text(column: pl.Series) -> bool:
    """Whether its values are texts, or categories named by texts."""
    return column.dtype in (pl.String, pl.Categorical, pl.Enum)


def without_value(column: pl.Series) -> pl.Series:
    """Which rows are missing: null, in a column of floats NaN, and of texts those that say so."""
    missing = column.is_null()
    if column.dtype == pl.String:
        return without_marks(column).is_null()
    return missing | column.is_nan().fill_null(value=True) if column.dtype.is_float() else missing


def has_gaps(column: pl.Series) -> bool:
    """Whether some row is missing."""
    if column.dtype.is_float():
        # The sum is NaN if some value is, or if infinities cancel, which the slow way tells apart.
        total = column.sum()
        return bool(column.null_count()) or (total != total and bool(without_value(column).any()))
    return bool(without_value(column).any()) if column.dtype == pl.String else bool(column.null_count())


def as_text(column: pl.Series) -> list[str]:
    """Values as names of classes and categories: 1.0 in a column of floats is 1."""
    return as_texts(column).to_list()


def as_texts(column: pl.Series) -> pl.Series:
    """The same as a column: null where a value is missing, and texts without blanks around."""
    if column.dtype.is_float():
        whole = column.is_finite() & (column == column.floor()) & (column.abs() < _EXACT)
        numbers = column.fill_nan(None).to_list()
        texts = [
            None if value is None else str(int(value)) if is_whole else str(value)
            for value, is_whole in zip(numbers, whole.to_list(), strict=True)
        ]
        return pl.Series(column.name, texts, dtype=pl.String)
    if is_text(column):
        return column.cast(pl.String).str.strip_chars()
    if column.dtype == pl.Boolean or not (column.dtype.is_numeric()):
        return pl.Series(column.name, [None if value is None else str(value) for value in column], dtype=pl.String)
    return column.cast(pl.String)


def as_numbers(column: pl.Series, source: Source) -> np.ndarray:
    """A column of numbers as float64 with NaN for missing; infinity, and what has an infinite variance, is an error."""
    numbers = _physical(column).cast(pl.Float64)
    low, high = numbers.min(), numbers.max()
    values = (numbers.fill_null(float("nan")) if numbers.null_count() else numbers).to_numpy()
    # Polars passes over NaN, where there is anything else.
    if any(isinstance(end, float) and abs(end) > LARGEST for end in (low, high)):
        infinite = np.abs(values) > LARGEST
        raise DataError(
            f"{source}: the column {column.name!r} is infinite or beyond {LARGEST:g} in {infinite.sum()} rows, first in "
            f"{source.place(int(infinite.argmax()))}: expected finite or missing values. Replace them, or leave the column out."
        )
    return values


def _physical(column: pl.Series) -> pl.Series:
    """Durations in microseconds, since the table to predict may keep them in another unit than the studied one."""
    if column.dtype == pl.Duration:
        return column.dt.total_microseconds()
    return column.to_physical() if column.dtype == pl.Time else column
