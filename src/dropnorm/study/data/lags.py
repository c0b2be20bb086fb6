"""Earlier values of the target as features of a series in time, which no later value has a say in."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from dropnorm._record import Record
from dropnorm.errors import DataError
from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.order import times_of
from dropnorm.study.data.sources.naming import missing_column
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.target import quantities_of


class Lags(Record):
    """How many values before a row's own are its features, of which column, and how the column of times is read."""

    count: int
    target: str
    time: ColumnEncoding

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of earlier values, the latest first."""
        return tuple(f"{self.target}_lag_{back}" for back in range(1, self.count + 1))


def with_lags(frames: Sequence[pl.DataFrame], lags: Lags, sources: Sequence[Source]) -> list[pl.DataFrame]:
    """The frames with a column for each earlier value, missing where a row has too few before it; rows may be in any order.

    Args:        frames: rows to learn from, and if there are any those of a test part, which look back into them.
    Raises:      DataError for a time that several rows have, which would see each other, and for columns that are not there.
    """
    times, values = [], []
    for frame, source in zip(frames, sources, strict=True):
        for name in (lags.time.name, lags.target):
            if name not in frame.columns:
                raise missing_column(source, name, frame.columns)
        times.append(times_of(lags.time, frame[lags.time.name], source))
        values.append(quantities_of(frame[lags.target], source))
    every, known = np.concatenate(times), np.concatenate(values)
    order = np.argsort(every, kind="stable")
    twice = np.flatnonzero(np.diff(every[order]) == 0)
    if len(twice):
        row = int(order[twice[0]])
        part = int(row >= len(times[0]))
        raise DataError(
            f"{sources[part]}, {sources[part].place(row - part * len(times[0]))}: its time of {lags.time.name!r} is that of "
            f"another row too, as in {len(twice):,} cases: expected a time of its own for each row, since lags are the values "
            f"before it. Leave --lags out, or leave such rows out."
        )
    columns = {}
    for back, name in enumerate(lags.names, 1):
        column = np.full(len(every), np.nan)
        column[order[back:]] = known[order[:-back]] if back < len(order) else np.empty(0)
        columns[name] = column
    starts = np.cumsum([0, *map(len, times)])
    return [
        frame.with_columns(pl.Series(name, column[start:end]) for name, column in columns.items())
        for frame, start, end in zip(frames, starts[:-1], starts[1:], strict=True)
    ]


def complete_rows(frame: pl.DataFrame, lags: Lags, source: Source) -> np.ndarray:
    """Which rows have as many rows before them as there are lags."""
    times = times_of(lags.time, frame[lags.time.name], source)
    complete: np.ndarray = np.argsort(np.argsort(times, kind="stable"), kind="stable") >= lags.count
    return complete
