from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropnorm.study.data.dates import as_dates, cycles_of, encode_dates

NOON = datetime(2024, 5, 31, 12)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([NOON]),
        pl.Series([NOON], dtype=pl.Datetime("ns")),
        pl.Series([NOON], dtype=pl.Datetime("ms", "UTC")),
        pl.Series([NOON], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Tokyo"),
        pl.Series(["2024-05-31 12:00"]),
        pl.Series(["2024-05-31T12:00:00"]),
        pl.Series(["2024-05-31T12:00:00.000000"]),
        pl.Series(["2024-05-31T12:00:00Z"]),
        pl.Series(["2024-05-31T14:00:00+02:00"]),
    ],
    ids=lambda column: str(column[0]) if column.dtype == pl.String else str(column.dtype),
)
def test_one_moment_is_one_date_however_it_is_kept(column):
    dates = as_dates(column)
    assert dates.to_list() == [NOON]
    assert dates.dtype == pl.Datetime("us", None)


def test_days_are_dates_at_midnight_and_missing_ones_stay_missing():
    for column in (pl.Series([date(2024, 5, 31), None]), pl.Series(["2024-05-31", None])):
        assert as_dates(column).to_list() == [datetime(2024, 5, 31), None]


@pytest.mark.parametrize(
    "values",
    [
        ["2024-05-31", "soon"],
        ["01/02/2024"],
        ["31.05.2024"],
        ["2024-05"],
        ["20240531"],
        ["2024-13-01"],
        ["2023-02-29", "2024-02-29"],
        ["12:30"],
        [None],
        [20240531],
    ],
    ids=str,
)
def test_what_is_no_date_or_could_be_two(values):
    assert as_dates(pl.Series(values, dtype=pl.Int64 if isinstance(values[0], int) else pl.String)) is None


def test_the_time_of_day_counts_only_if_there_is_one():
    midnights = pl.Series([datetime(2024, 5, 30), None, datetime(2024, 5, 31)])
    assert cycles_of(midnights) == ("year", "week")
    assert cycles_of(pl.concat([midnights, pl.Series([NOON])])) == ("year", "week", "day")


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)))
def test_days_since_1970_and_angles_are_those_of_pythons_calendar(moment):
    row = encode_dates(pl.Series([moment]), ("year", "week", "day"))[0]
    start = datetime(moment.year, 1, 1)
    turns = [
        (moment - start) / (datetime(moment.year + 1, 1, 1) - start),
        (moment.weekday() + (moment - datetime.combine(moment, datetime.min.time())).total_seconds() / 86400) / 7,
        (moment - datetime.combine(moment, datetime.min.time())).total_seconds() / 86400,
    ]
    assert row[0] == pytest.approx((moment - datetime(1970, 1, 1)).total_seconds() / 86400, rel=1e-12, abs=1e-9)
    angles = 2 * np.pi * np.array(turns)
    # A moment late in 2199 is counted in days to 1e-11, and so is its angle.
    np.testing.assert_allclose(row[1:], np.stack([np.sin(angles), np.cos(angles)], 1).ravel(), atol=1e-9)


def test_the_end_of_a_cycle_lies_beside_its_beginning():
    dates = pl.Series([datetime(2023, 12, 31, 23, 59), datetime(2024, 1, 1), datetime(2024, 6, 30)])
    year = encode_dates(dates, ("year",))[:, 1:]
    assert np.linalg.norm(year[0] - year[1]) < 1e-4 < np.linalg.norm(year[2] - year[1])


def test_a_missing_date_is_missing_in_all_its_features():
    features = encode_dates(pl.Series([NOON, None]), ("year", "week", "day"))
    assert features.shape == (2, 7)
    assert np.isfinite(features[0]).all()
    assert np.isnan(features[1]).all()
