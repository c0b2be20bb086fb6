"""What orders and divides the rows beside chance: groups that stay together, or time."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.dates import as_dates
from dropnorm.study.data.encoding import missing_column
from dropnorm.study.data.sources.memory import as_column
from dropnorm.study.data.sources.table import free_name
from dropnorm.study.data.values import as_numbers, as_text, is_number, without_value

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

    def of_rows(self, learned: pl.DataFrame, tested: pl.DataFrame | None, source: str, test_source: str) -> Order:
        """The groups or times of all rows, those of a given test part behind.

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
            times = [_times(column, where) for column, where in zip(columns, (source, test_source), strict=False)]
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
            names[argument] = given
            if given not in frame.columns:
                raise missing_column(f"{argument}={given!r}", given, frame.columns)
            if given == target:
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


def _column(frame: pl.DataFrame, name: str, source: str) -> pl.Series:
    if name not in frame.columns:
        raise missing_column(source, name, frame.columns)
    missing = without_value(frame[name])
    if missing.any():
        raise DataError(
            f"{source}: the column {name!r} has no value in {missing.sum()} rows with a target: expected one in every row, to "
            f"split by it. Fill them in, or leave the rows out."
        )
    return frame[name]


def _times(column: pl.Series, source: str) -> np.ndarray:
    """Numbers that grow with time."""
    dates = as_dates(column)
    if dates is not None:
        return dates.dt.epoch("us").to_numpy()
    if is_number(column):
        return as_numbers(column, source)
    raise DataError(
        f"{source}: the column {column.name!r} holds {column.dtype} that is neither dates nor numbers, and so has no order in "
        f"time: expected dates such as 2024-05-31 or 2024-05-31 13:30, or numbers. Name another --time (time= in Python)."
    )
