"""One column into features: what it becomes, kept as a record so that `predict` does the same."""

import math
from typing import Literal

import numpy as np
import polars as pl

from dropnorm._record import Record
from dropnorm.errors import DataError
from dropnorm.study.data.booleans import BooleanFormat, parse_booleans
from dropnorm.study.data.date_formats import DateFormat, parse_dates
from dropnorm.study.data.dates import Cycle, as_dates, encode_dates
from dropnorm.study.data.missing_marks import without_marks
from dropnorm.study.data.number_formats import NumberFormat, parse_numbers
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.values import LARGEST, as_numbers, as_texts, is_number, is_text

MAX_CATEGORIES = 100
"""How many codes a column of categories has at most; beyond, the rarest share the last one."""


class ColumnEncoding(Record):
    """One column: a number, a truth value, a feature per category, a date with its cycles, an array; and whether it is missing.

    Args:        number, date, boolean: how texts are read as such, where they are; categories: those with a feature of their
                 own, while all others, rare or unseen, share the code of zeros; lenient: whether texts that are no number, date
                 or truth value count as missing, and are no errors.
    """

    name: str
    kind: Literal["number", "boolean", "category", "date", "array"]
    categories: tuple[str, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    shape: tuple[int, ...] = ()
    has_missing: bool = False
    number: NumberFormat | None = None
    date: DateFormat | None = None
    boolean: BooleanFormat | None = None
    lenient: bool = False

    @property
    def features(self) -> int:
        """How many features the column becomes."""
        size = {
            "number": 1,
            "boolean": 1,
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
            "boolean": (self.name,),
            "category": tuple(f"{self.name} = {category}" for category in self.categories),
            "date": (self.name, *turns),
            "array": tuple(f"{self.name}[{', '.join(map(str, index))}]" for index in np.ndindex(self.shape)),
        }
        return (*names[self.kind], *([f"{self.name} is missing"] if self.has_missing else []))


def encode_column(encoding: ColumnEncoding, column: pl.Series, source: Source) -> np.ndarray:
    """The features of a column (rows, features): a missing number or date is NaN, an unknown category all zeros.

    Raises:      DataError for values of another kind than the studied column had.
    """
    if encoding.kind == "category":
        return _encode_categories(encoding, column)
    if encoding.kind == "array":
        return _encode_array(encoding, column, source)
    read = read_column(encoding, column, source)
    dates = encoding.kind == "date"
    values = encode_dates(read, encoding.cycles) if dates else as_numbers(read, source)[:, None]
    return np.column_stack([values, np.isnan(values[:, 0])]) if encoding.has_missing else values


def read_column(encoding: ColumnEncoding, column: pl.Series, source: Source) -> pl.Series:
    """The numbers, truth values or dates of a column of that kind, null where one is missing.

    Raises:      DataError for values of another kind.
    """
    if is_text(column):
        return _read_texts(encoding, column, source)
    if column.is_null().all():
        return pl.Series(column.name, [None] * len(column), dtype=_TYPES[encoding.kind])
    dates = as_dates(column) if encoding.kind == "date" else None
    if dates is not None:
        return dates
    if encoding.kind == "number" and is_number(column):
        return column
    if encoding.kind == "boolean" and column.dtype == pl.Boolean:
        return column
    if (
        encoding.kind == "boolean"
        and column.dtype.is_numeric()
        and column.cast(pl.Float64).fill_nan(None).drop_nulls().is_in([0.0, 1.0]).all()
    ):
        return column.cast(pl.Float64).fill_nan(None).cast(pl.Boolean)
    raise DataError(
        f"{source}: the column {column.name!r} holds {column.dtype}, where the study had {_NOUNS[encoding.kind]}. Expected "
        f"such, or missing values: convert the column."
    )


def _read_texts(encoding: ColumnEncoding, column: pl.Series, source: Source) -> pl.Series:
    texts = without_marks(column)
    if encoding.kind == "number":
        read = parse_numbers(texts, encoding.number or NumberFormat())
    elif encoding.kind == "date":
        read = parse_dates(texts, encoding.date or DateFormat())
    else:
        read = parse_booleans(texts, encoding.boolean or BooleanFormat())
    strays = read.is_null() & texts.is_not_null()
    if strays.any() and not encoding.lenient:
        row = int(strays.to_numpy().argmax())
        raise DataError(
            f"{source}, {source.place(row)}: the column {column.name!r} holds {texts[row]!r}, where the study had "
            f"{_NOUNS[encoding.kind]}. Expected such or missing values ({int(strays.sum()):,} rows have others): mend or empty "
            f"them."
        )
    return read


_TYPES = {"number": pl.Float64(), "boolean": pl.Boolean(), "date": pl.Datetime("us")}
_NOUNS = {
    "number": "numbers",
    "boolean": "true or false",
    "date": "dates, such as 2024-05-31 or 2024-05-31 13:30",
}


def _encode_categories(encoding: ColumnEncoding, column: pl.Series) -> np.ndarray:
    texts = as_texts(column)
    codes = texts.replace_strict(
        list(encoding.categories), list(range(len(encoding.categories))), default=-1, return_dtype=pl.Int32
    ).to_numpy()
    known = np.flatnonzero(codes >= 0)
    features = np.zeros((len(column), encoding.features), order="F")
    features[known, codes[known]] = 1.0
    others = np.flatnonzero(codes < 0)
    if encoding.has_missing and len(others):
        features[others, -1] = without_marks(texts[others]).is_null().to_numpy()
    return features


def _encode_array(encoding: ColumnEncoding, column: pl.Series, source: Source) -> np.ndarray:
    if not (isinstance(column.dtype, pl.Array) and is_numeric_array(column) and column.dtype.shape == encoding.shape):
        shape = " x ".join(map(str, encoding.shape))
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype}, where the study had arrays of {shape} numbers. "
            f"Expected the same shape: scale or crop what is in it."
        )
    return array_values(column, source)


def is_numeric_array(column: pl.Series) -> bool:
    """Whether a column of arrays holds numbers or truth values."""
    dtype = column.dtype
    while isinstance(dtype, pl.Array):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype.is_numeric() or dtype == pl.Boolean


def array_values(column: pl.Series, source: Source) -> np.ndarray:
    """The numbers of a column of arrays (rows, size of an array) in float64.

    Raises:      DataError that names a row that holds infinity.
    """
    values: np.ndarray = column.to_numpy().reshape(len(column), -1).astype(np.float64)
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        raise DataError(
            f"{source}: the arrays of {column.name!r} are infinite or beyond {LARGEST:g} in {beyond.any(axis=1).sum()} rows, "
            f"first in {source.place(int(beyond.any(axis=1).argmax()))}: expected finite values or NaN. Replace them."
        )
    return values
