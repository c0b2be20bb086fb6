"""What orders and divides the rows beside chance: groups that stay together, or time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.columns import ColumnEncoding, read_column
from dropnorm.study.data.sources.memory import as_column
from dropnorm.study.data.sources.naming import column_named, missing_column
from dropnorm.study.data.sources.table import Source, free_name
from dropnorm.study.data.understanding import understand_ordered
from dropnorm.study.data.values import as_numbers, as_text, without_value
from dropnorm.study.records import KindGiven

# A group may be 7 in one file and 7.0 in another, where missing ones made its column one of fractions.
_WHOLE = re.compile(r"^([+-]?\d+)\.0+$")


@dataclass(frozen=True)
class Order:
    """The group of each row as a number, or its time; at most one of them."""

    group: str | None = None
    time: str | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None

    def identity(self, given_test: int) -> bytes:
        """What of it decides the splits; nothing where chance alone does."""
        if self.group is None and self.time is None and not given_test:
            return b""
        values = [values.tobytes() for values in (self.groups, self.times) if values is not None]
        return b"".join([f"{self.group} {self.time} {given_test}".encode(), *values])


@dataclass(frozen=True)
class NamedOrder:
    """The column that orders the rows, before the rows are known."""

    group: str | None
    time: str | None

    @property
    def columns(self) -> list[str]:
        """The columns that are no features: a name or a time that no row to learn from has says nothing of new rows."""
        return [name for name in (self.group, self.time) if name is not None]

    def of_rows(
        self,
        learned: pl.DataFrame,
        tested: pl.DataFrame | None,
        source: Source,
        test_source: Source,
        kinds: Mapping[str, KindGiven],
    ) -> Order:
        """The groups or times of all rows, those of a given test part behind; `kinds` are those that columns are given.

        Raises:      DataError for a column without an order or a value, and for a test part that is not apart.
        """
        columns = [
            _column(frame, name, where)
            for name in self.columns
            for frame, where in ((learned, source), (tested, test_source))
            if frame is not None
        ]
        if self.group is not None:
            texts = [[_WHOLE.sub(r"\1", text) for text in as_text(column)] for column in columns]
            if shared := sorted(set(texts[0]).intersection(*texts[1:])) if tested is not None else []:
                raise DataError(
                    f"{test_source}: the group {shared[0]!r} of {self.group!r} is in the test part and among the rows to learn "
                    f"from: expected groups of its own. Take its rows out of one of them."
                )
            return Order(group=self.group, groups=np.unique(np.concatenate(texts), return_inverse=True)[1])
        if self.time is not None:
            encoding = time_column(columns[0], source, kinds)
            sources = (source, test_source)
            times = [times_of(encoding, column, where) for column, where in zip(columns, sources, strict=False)]
            if tested is not None and times[1].min() <= times[0].max():
                raise DataError(
                    f"{test_source}: {int((times[1] <= times[0].max()).sum())} rows of the test part are not later by "
                    f"{self.time!r} than all rows to learn from: expected a test part that comes after them. Take them out."
                )
            return Order(time=self.time, times=np.concatenate(times))
        return Order()


def name_order(
    frame: pl.DataFrame, target: str, *, group: Any, time: Any, has_test: bool
) -> tuple[pl.DataFrame, NamedOrder]:
    """The frame, with groups or times given as values made a column of it, and which column that is.

    Raises:      ArgumentError for arguments that exclude each other, DataError for a column that is not there.
    """
    if group is not None and time is not None:
        raise ArgumentError(
            "group and time are both given: expected one of them, since a group that lasts would be in two parts. Name one."
        )
    names: dict[str, str | None] = {"group": None, "time": None}
    for argument, given in (("group", group), ("time", time)):
        if given is None:
            continue
        if isinstance(given, str):
            names[argument] = column_named(given, frame.columns, f"{argument}={given!r}")
            if names[argument] == target:
                raise ArgumentError(f"{argument}={given!r} is the target: expected another column. Name another one.")
            continue
        if has_test:
            raise ArgumentError(
                f"{argument} is given as values beside a test part, whose own it does not have: expected the name of a column."
            )
        names[argument] = free_name(argument, frame.columns)
        column = as_column(given).alias(names[argument] or argument)
        if len(column) != frame.height:
            raise DataError(
                f"{argument} has {len(column)} values for {frame.height} rows of X: expected one value per row."
            )
        frame = frame.with_columns(column)
    return frame, NamedOrder(group=names["group"], time=names["time"])


def _column(frame: pl.DataFrame, name: str, source: Source) -> pl.Series:
    if name not in frame.columns:
        raise missing_column(source, name, frame.columns)
    missing = without_value(frame[name])
    if missing.any():
        raise DataError(
            f"{source}: the column {name!r} has no value in {missing.sum()} rows with a target: expected one in every row, to "
            f"split by it. Fill them in, or leave the rows out."
        )
    return frame[name]


def time_column(column: pl.Series, source: Source, kinds: Mapping[str, KindGiven]) -> ColumnEncoding:
    """How the values of a column grow with time, by those to learn from."""
    understood = understand_ordered(column, source, kinds.get(column.name))
    if understood is None:
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype} that is neither dates nor numbers, and so has no order "
            f"in time: expected dates such as 2024-05-31 or 2024-05-31 13:30, or numbers. Name another --time."
        )
    return understood


def times_of(encoding: ColumnEncoding, column: pl.Series, source: Source) -> np.ndarray:
    """Numbers that grow with time; of dates, whole microseconds."""
    values = read_column(encoding, column, source)
    if values.null_count():
        row = int(values.is_null().to_numpy().argmax())
        raise DataError(
            f"{source}, {source.place(row)}: the column {column.name!r} holds {column[row]!r}, which is no time: expected one "
            f"in every row, to split by it. Mend it, or leave the row out."
        )
    return values.dt.epoch("us").to_numpy() if encoding.kind == "date" else as_numbers(values, source)
