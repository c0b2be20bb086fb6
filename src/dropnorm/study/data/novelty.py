"""How data to predict differs from the data that was learned from, counted column by column."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from dropnorm.study.data.columns import MAX_CATEGORIES, ColumnEncoding, read_column
from dropnorm.study.data.encoding import Encoding
from dropnorm.study.data.missing_marks import without_marks
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.values import as_texts, is_text, without_value

Range = tuple[float, float]
"""The least and the greatest number of a column; of dates, days since 1970."""


def ranges_of(encoding: Encoding, features: np.ndarray) -> dict[str, Range]:
    """The range of every column of numbers or dates in encoded rows."""
    ranges, start = {}, 0
    for column in encoding.columns:
        values = features[:, start]
        start += column.features
        if column.kind in ("number", "date") and not np.isnan(values).all():
            ranges[column.name] = (float(np.nanmin(values)), float(np.nanmax(values)))
    return ranges


def novelties(
    encoding: Encoding, ranges: Mapping[str, Range], frame: pl.DataFrame, features: np.ndarray, source: Source
) -> tuple[str, ...]:
    """What a reader should know of new rows, a sentence for each column that is unlike the studied one.

    A number is far beyond the known ones if it is out of their range by more than the range is wide.
    """
    if not frame.height:
        return ()
    told, start = [], 0
    # Row by row as they lie in memory; NaN is passed over.
    lows, highs = np.fmin.reduce(features, axis=0), np.fmax.reduce(features, axis=0)
    for column in encoding.columns:
        own = _gaps_and_strangers(column, frame[column.name], source)
        if column.name in ranges:
            own += _far(column, ranges[column.name], features, start, (lows[start], highs[start]))
        told += [f"{column.name}: {part}." for part in own]
        start += column.features
    return tuple(told)


def _gaps_and_strangers(encoding: ColumnEncoding, column: pl.Series, source: Source) -> list[str]:
    """What is missing in a column, and what it holds that the studied one did not."""
    if encoding.kind == "array":
        return []
    rows = len(column)
    missing = int((without_value(column) if encoding.kind != "category" else _gaps(encoding, column)).sum())
    if missing == rows:
        return [f"no row has a value, where the studied rows had {_NOUNS[encoding.kind]}"]
    told = []
    if missing and not encoding.has_missing:
        told.append(f"{missing:,} of {rows:,} rows have no value, where all studied rows had one")
    if encoding.kind == "category":
        told += _unknown(encoding, column)
    elif encoding.lenient and is_text(column):
        strays = int((read_column(encoding, column, source).is_null() & without_marks(column).is_not_null()).sum())
        told += [f"{strays:,} values are no {encoding.kind}, and count as missing"] if strays else []
    return told


def _far(
    encoding: ColumnEncoding, known: Range, features: np.ndarray, place: int, found: tuple[float, float]
) -> list[str]:
    """How many numbers are far beyond the known ones, if any are."""
    low, high = known
    least, most = low - (high - low), high + (high - low)
    if not (found[0] < least or found[1] > most):
        return []
    values = features[:, place]
    far = values[(values < least) | (values > most)]
    what = "dates" if encoding.kind == "date" else "numbers"
    worst = float(far[int(np.abs(far - (low + high) / 2).argmax())])
    return [
        f"{what} of {len(far):,} rows, such as {_shown(worst, encoding)}, are far beyond the studied {_shown(low, encoding)} "
        f"to {_shown(high, encoding)}"
    ]


_NOUNS = {"number": "numbers", "boolean": "true or false", "category": "categories", "date": "dates"}


def _gaps(encoding: ColumnEncoding, column: pl.Series) -> pl.Series:
    texts = as_texts(column)
    return (without_value(column) | without_marks(texts).is_null()) & ~texts.is_in(list(encoding.categories)).fill_null(
        value=False
    )


def _unknown(encoding: ColumnEncoding, column: pl.Series) -> list[str]:
    """Categories without a code of their own: unknown, or where there were too many for all perhaps only rare."""
    texts = as_texts(column)
    others = texts.filter(~_gaps(encoding, column) & ~texts.is_in(list(encoding.categories)))
    if not len(others):
        return []
    counts = others.value_counts().sort(["count", column.name], descending=[True, False])
    example = counts[column.name][0]
    if len(encoding.categories) < MAX_CATEGORIES - 1:
        which = f"categories that no studied row had, such as {example!r}, in {len(others):,} of {len(column):,} rows"
        if not is_text(column):
            return [f"{column.dtype} where the studied rows had texts; {which}"]
        return [which]
    # The rare ones of the studied rows share the code too.
    if len(others) * 2 <= len(column):
        return []
    return [f"categories without a code of their own, such as {example!r}, in {len(others):,} of {len(column):,} rows"]


def _shown(value: float, encoding: ColumnEncoding) -> str:
    if encoding.kind == "date":
        try:
            return str(np.datetime64(0, "D") + np.timedelta64(int(value), "D"))
        except (OverflowError, ValueError):
            return f"day {value:g}"
    return f"{value:,.6g}"
