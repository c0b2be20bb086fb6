"""Dates as features: how far along time they are, and where in the year, the week and the day."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

Cycle = Literal["year", "week", "day"]
# ISO 8601 alone: of 01/02/2024 nobody can say whether it is in January or February.
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"


def as_dates(column: pl.Series) -> pl.Series | None:
    """The column as dates with times, in UTC where it has time zones, or None if some value is no date."""
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("us"))
    if isinstance(column.dtype, pl.Datetime):
        return _without_zone(column.cast(pl.Datetime("us", column.dtype.time_zone)))
    if column.dtype != pl.String or column.is_null().all() or not column.drop_nulls().str.contains(_ISO).all():
        return None
    try:
        dates = column.str.to_datetime(time_unit="us", strict=False)
    except pl.exceptions.ComputeError:
        return None
    return None if (dates.is_null() & column.is_not_null()).any() else _without_zone(dates)


def cycles_of(dates: pl.Series) -> tuple[Cycle, ...]:
    """Year and week, and the day too if some date is not at midnight."""
    at_midnight = (dates.drop_nulls() == dates.drop_nulls().dt.truncate("1d")).all()
    return ("year", "week") if at_midnight else ("year", "week", "day")


def encode_dates(dates: pl.Series, cycles: Sequence[Cycle]) -> np.ndarray:
    """Days since 1970, then sine and cosine of each cycle, so that the end of one lies beside its beginning.

    Shape:       a column of n dates -> (n, 1 + 2 * cycles), NaN where the date is missing
    """
    days = dates.dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy() / 86_400e6
    of_day = days - np.floor(days)
    turns = {
        "year": (_number(dates.dt.ordinal_day()) - 1 + of_day) / _number(365 + dates.dt.is_leap_year().cast(pl.Int16)),
        "week": (_number(dates.dt.weekday()) - 1 + of_day) / 7,
        "day": of_day,
    }
    parts = [days]
    for cycle in cycles:
        angle = 2 * np.pi * turns[cycle]
        parts += [np.sin(angle), np.cos(angle)]
    return np.stack(parts, axis=1)


def _without_zone(dates: pl.Series) -> pl.Series:
    in_utc = dates if dates.dtype.time_zone is None else dates.dt.convert_time_zone("UTC")  # type: ignore[attr-defined]
    return in_utc.dt.replace_time_zone(None)


def _number(values: pl.Series) -> np.ndarray:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
