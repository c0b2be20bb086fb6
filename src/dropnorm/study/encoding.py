"""Columns into numbers: what each column of a table becomes, kept as a record so that `predict` does the same."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from dropnorm._validate import closest
from dropnorm.errors import DataError
from dropnorm.study.records import Record

MAX_CATEGORIES = 100
LARGEST = 1e100


class ColumnEncoding(Record):
    """One column: a number (and whether it is missing), or one feature per category (and one for missing)."""

    name: str
    kind: Literal["number", "category"]
    categories: tuple[str, ...] = ()
    has_missing: bool

    @property
    def features(self) -> int:
        """How many features the column becomes."""
        return (len(self.categories) or 1) + self.has_missing


class Encoding(Record):
    """All columns of a table, in order, and the classes of its target."""

    columns: tuple[ColumnEncoding, ...]
    target: str
    classes: tuple[str, ...]

    @property
    def features(self) -> int:
        """The width of the encoded table."""
        return sum(column.features for column in self.columns)

    def encode(self, table: pl.DataFrame, source: str = "data") -> np.ndarray:
        """The table as float64 (rows, features); a missing number is NaN, an unknown category all zeros.

        Raises:      DataError for a column that is missing, infinite, or a text where the studied column held numbers.
        """
        names = [column.name for column in self.columns]
        for name in names:
            if name not in table.columns:
                raise missing_column(source, name, table.columns)
        parts = [_encode(column, table[column.name], source) for column in self.columns]
        return np.concatenate(parts, axis=1) if parts else np.empty((table.height, 0))


def missing_column(source: str, name: str, columns: Sequence[str]) -> DataError:
    """The error for a column that is not there, with the closest one that is."""
    meant = closest(name, columns)
    hint = f" Did you mean {meant!r}?" if meant else ""
    listed = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
    return DataError(f"{source}: there is no column {name!r}.{hint} The columns are: {listed}.")


def learn_encoding(table: pl.DataFrame, target: str, ignore: Sequence[str], source: str) -> Encoding:
    """Decide for each column what it becomes. Only the set of categories is learned here, no statistic of the rows.

    Raises:      DataError that names the column and the remedy, for one that cannot be encoded.
    """
    for name in (target, *ignore):
        if name not in table.columns:
            raise missing_column(source, name, table.columns)
    names = [name for name in table.columns if name != target and name not in ignore]
    if not names:
        raise DataError(f"{source}: no column is left to learn from, besides the target {target!r}.")
    columns = tuple(_learn_column(table[name], source) for name in names)
    return Encoding(columns=columns, target=target, classes=_learn_classes(table[target], source))


def encode_target(column: pl.Series, classes: Sequence[str]) -> np.ndarray:
    """The index of each row's class, int64."""
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[text] for text in _as_text(column)], dtype=np.int64)


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype == pl.Boolean or column.dtype.is_temporal()


def _is_text(column: pl.Series) -> bool:
    return column.dtype in (pl.String, pl.Categorical, pl.Enum)


def without_value(column: pl.Series) -> pl.Series:
    """Which rows are missing: null, or in a column of floats NaN."""
    missing = column.is_null()
    return missing | column.is_nan().fill_null(value=True) if column.dtype.is_float() else missing


def _learn_column(column: pl.Series, source: str) -> ColumnEncoding:
    leave_out = f"Leave it out with --ignore {column.name!r} (ignore=[{column.name!r}] in Python)."
    missing = without_value(column)
    if missing.all():
        raise DataError(f"{source}: the column {column.name!r} has no value in any row. {leave_out}")
    if _is_number(column):
        _numbers(column, source)
        return ColumnEncoding(name=column.name, kind="number", has_missing=bool(missing.any()))
    if not _is_text(column):
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype}, which cannot be encoded: expected numbers, true or "
            f"false, dates, or texts. {leave_out}"
        )
    categories = tuple(sorted(set(_as_text(column.drop_nulls()))))
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            f"{source}: the column {column.name!r} holds {len(categories)} different texts: expected numbers, or at most "
            f"{MAX_CATEGORIES} categories.{_stray_text(column)} {leave_out}"
        )
    return ColumnEncoding(name=column.name, kind="category", categories=categories, has_missing=bool(missing.any()))


def _stray_text(column: pl.Series) -> str:
    """Of a column of numbers that some texts made a column of texts, the first such text."""
    stray = column.cast(pl.String).cast(pl.Float64, strict=False).is_null() & column.is_not_null()
    if stray.sum() * 2 >= len(column):
        return ""
    row = int(stray.to_numpy().argmax())
    return f" Most are numbers, but row {row + 1} (line {row + 2} of a file) holds {column[row]!r}."


def _learn_classes(column: pl.Series, source: str) -> tuple[str, ...]:
    if not (_is_number(column) or _is_text(column)):
        raise DataError(
            f"{source}: the target {column.name!r} holds {column.dtype}: expected texts, whole numbers, true or false."
        )
    present = column.filter(~without_value(column))
    classes = _as_text(present.unique().sort())
    numbers = _as_numbers(classes)
    if numbers and _is_text(column):
        # A target in a file is read as text, which is its classes' names; numbers among them keep their order.
        classes.sort(key=float)
    fractional = any(not number.is_integer() for number in numbers) and len(classes) > 10
    if len(classes) > MAX_CATEGORIES or fractional:
        raise DataError(
            f"{source}: the target {column.name!r} has {len(classes)} different values, so it looks like a quantity or an "
            f"identifier: expected at most {MAX_CATEGORIES} classes. Bin it into classes, or name another --target."
        )
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no value in any row"
        raise DataError(f"{source}: the target {column.name!r} has {found}: expected at least two classes.")
    return tuple(classes)


def _as_numbers(texts: Sequence[str]) -> list[float]:
    """The numbers that all the texts are, or none."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return []


def _as_text(column: pl.Series) -> list[str]:
    """Values as class names: 1.0 in a column of floats is the class 1."""
    return [str(int(value) if isinstance(value, float) and value.is_integer() else value) for value in column]


def _numbers(column: pl.Series, source: str) -> np.ndarray:
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


def _physical(column: pl.Series) -> pl.Series:
    """Dates and durations in microseconds, since the table to predict may keep them in another unit than the studied one."""
    if column.dtype in (pl.Date, pl.Datetime):
        return column.dt.epoch("us")
    if column.dtype == pl.Duration:
        return column.dt.total_microseconds()
    return column.to_physical() if column.dtype == pl.Time else column


def _encode(encoding: ColumnEncoding, column: pl.Series, source: str) -> np.ndarray:
    if encoding.kind == "number":
        if not _is_number(column) and not column.is_null().all():
            stray = _stray_text(column) if _is_text(column) else ""
            raise DataError(
                f"{source}: the column {column.name!r} holds {column.dtype}, where the study had numbers.{stray} "
                f"Expected numbers or missing values."
            )
        values = _numbers(column, source) if _is_number(column) else np.full(len(column), np.nan)
        return np.stack([values, np.isnan(values)], axis=1) if encoding.has_missing else values[:, None]
    index = {name: position for position, name in enumerate(encoding.categories)}
    features = np.zeros((len(column), encoding.features))
    for row, text in enumerate(_as_text(column)):
        if text in index:
            features[row, index[text]] = 1.0
    missing = without_value(column).to_numpy()
    features[missing] = 0.0
    if encoding.has_missing:
        features[missing, -1] = 1.0
    return features
