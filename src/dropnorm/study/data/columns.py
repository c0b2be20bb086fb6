"""One column into features: what it becomes, kept as a record so that `predict` does the same."""

import math
from typing import Literal

import numpy as np
import polars as pl

from dropnorm._record import Record
from dropnorm.errors import DataError
from dropnorm.study.data.dates import Cycle, as_dates, cycles_of, encode_dates
from dropnorm.study.data.values import LARGEST, as_numbers, as_text, is_number, is_text, stray_text, without_value

MAX_CATEGORIES = 100


class ColumnEncoding(Record):
    """One column: a number, a feature per category, a date with its cycles, or an array; and whether it is missing."""

    name: str
    kind: Literal["number", "category", "date", "array"]
    categories: tuple[str, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    shape: tuple[int, ...] = ()
    has_missing: bool = False

    @property
    def features(self) -> int:
        """How many features the column becomes."""
        size = {
            "number": 1,
            "category": len(self.categories),
            "date": 1 + 2 * len(self.cycles),
            "array": math.prod(self.shape),
        }
        return size[self.kind] + self.has_missing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each feature: the column's, with what it is of it behind."""
        turns = (f"{self.name} ({part} of the {cycle})" for cycle in self.cycles for part in ("sine", "cosine"))
        names = {
            "number": (self.name,),
            "category": tuple(f"{self.name} = {category}" for category in self.categories),
            "date": (self.name, *turns),
            "array": tuple(f"{self.name}[{', '.join(map(str, index))}]" for index in np.ndindex(self.shape)),
        }
        return (*names[self.kind], *([f"{self.name} is missing"] if self.has_missing else []))


def learn_column(column: pl.Series, source: str) -> ColumnEncoding:
    """Decide what a column becomes. Only its type and its set of categories are learned, no statistic of the rows.

    Raises:      DataError that names the column and the remedy, for one that cannot be encoded.
    """
    leave_out = f"Leave it out with --ignore {column.name!r} (ignore=[{column.name!r}] in Python)."
    missing = without_value(column)
    has_missing = bool(missing.any())
    if missing.all():
        raise DataError(f"{source}: the column {column.name!r} has no value in any row. {leave_out}")
    if is_number(column):
        as_numbers(column, source)
        return ColumnEncoding(name=column.name, kind="number", has_missing=has_missing)
    if (dates := as_dates(column)) is not None:
        return ColumnEncoding(name=column.name, kind="date", cycles=cycles_of(dates), has_missing=has_missing)
    if isinstance(column.dtype, pl.Array) and _is_numeric_array(column) and not has_missing:
        _array_values(column, source)
        return ColumnEncoding(name=column.name, kind="array", shape=column.dtype.shape)
    if not is_text(column):
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype}, which cannot be encoded: expected numbers, true or "
            f"false, dates, or texts. {leave_out}"
        )
    categories = tuple(sorted(set(as_text(column.drop_nulls()))))
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            f"{source}: the column {column.name!r} holds {len(categories)} different texts: expected numbers, dates such as "
            f"2024-05-31, or at most {MAX_CATEGORIES} categories.{stray_text(column)} {leave_out}"
        )
    return ColumnEncoding(name=column.name, kind="category", categories=categories, has_missing=has_missing)


def encode_column(encoding: ColumnEncoding, column: pl.Series, source: str) -> np.ndarray:
    """The features of a column (rows, features): a missing number or date is NaN, an unknown category all zeros.

    Raises:      DataError for values of another kind than the studied column had.
    """
    if encoding.kind == "category":
        return _encode_categories(encoding, column)
    if encoding.kind == "array":
        return _encode_array(encoding, column, source)
    values = _encode_date(encoding, column, source) if encoding.kind == "date" else _encode_number(column, source)
    return np.column_stack([values, np.isnan(values[:, 0])]) if encoding.has_missing else values


def _encode_number(column: pl.Series, source: str) -> np.ndarray:
    if is_number(column):
        return as_numbers(column, source)[:, None]
    if not column.is_null().all():
        stray = stray_text(column) if is_text(column) else ""
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype}, where the study had numbers.{stray} "
            f"Expected numbers or missing values."
        )
    return np.full((len(column), 1), np.nan)


def _encode_date(encoding: ColumnEncoding, column: pl.Series, source: str) -> np.ndarray:
    dates = pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us")) if column.is_null().all() else None
    dates = as_dates(column) if dates is None else dates
    if dates is None:
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype} that are not all dates, where the study had dates. "
            f"Expected dates such as 2024-05-31 or 2024-05-31 13:30, or missing values."
        )
    return encode_dates(dates, encoding.cycles)


def _encode_categories(encoding: ColumnEncoding, column: pl.Series) -> np.ndarray:
    index = {name: position for position, name in enumerate(encoding.categories)}
    features = np.zeros((len(column), encoding.features))
    for row, text in enumerate(as_text(column)):
        if text in index:
            features[row, index[text]] = 1.0
    missing = without_value(column).to_numpy()
    features[missing] = 0.0
    if encoding.has_missing:
        features[missing, -1] = 1.0
    return features


def _encode_array(encoding: ColumnEncoding, column: pl.Series, source: str) -> np.ndarray:
    if not (isinstance(column.dtype, pl.Array) and _is_numeric_array(column) and column.dtype.shape == encoding.shape):
        shape = " x ".join(map(str, encoding.shape))
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype}, where the study had arrays of {shape} numbers. "
            f"Expected the same shape: scale or crop what is in it."
        )
    return _array_values(column, source)


def _is_numeric_array(column: pl.Series) -> bool:
    dtype = column.dtype
    while isinstance(dtype, pl.Array):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype.is_numeric() or dtype == pl.Boolean


def _array_values(column: pl.Series, source: str) -> np.ndarray:
    values: np.ndarray = column.to_numpy().reshape(len(column), -1).astype(np.float64)
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        raise DataError(
            f"{source}: the arrays of {column.name!r} are infinite or beyond {LARGEST:g} in {beyond.any(axis=1).sum()} rows, "
            f"first in row {int(beyond.any(axis=1).argmax()) + 1}: expected finite values or NaN. Replace them."
        )
    return values
