import numpy as np
import polars as pl
import pytest

import dropnorm as dn
from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.lags import Lags, complete_rows, with_lags
from dropnorm.study.data.sources.table import Source

LAGS = Lags(count=2, target="y", time=ColumnEncoding(name="t", kind="number"))
SOURCE = Source("f.csv", line=lambda row: row + 2)
FRAME = pl.DataFrame({"t": [3, 1, 4, 2], "y": [30.0, 10.0, 40.0, 20.0]})


def series(rows=200, seed=0):
    """A noisy wave, its rows in no order."""
    t = np.arange(rows)
    y = np.sin(t / 5) + 0.1 * np.random.default_rng(seed).normal(size=rows)
    return pl.DataFrame({"t": t, "y": y}).sample(fraction=1.0, shuffle=True, seed=seed)


def test_earlier_values_lie_beside_each_row_whatever_the_order_of_rows():
    (frame,) = with_lags([FRAME], LAGS, [SOURCE])
    assert frame["y_lag_1"].fill_nan(None).to_list() == [20.0, None, 30.0, 10.0]
    assert frame["y_lag_2"].fill_nan(None).to_list() == [10.0, None, 20.0, None]
    assert complete_rows(FRAME, LAGS, SOURCE).tolist() == [True, False, True, False]


def test_a_test_part_looks_back_into_the_rows_to_learn_from():
    later = pl.DataFrame({"t": [6, 5], "y": [60.0, 50.0]})
    _, tested = with_lags([FRAME, later], LAGS, [SOURCE, Source("test.csv")])
    assert tested["y_lag_1"].to_list() == [50.0, 40.0]
    assert tested["y_lag_2"].to_list() == [40.0, 30.0]


def test_a_missing_value_is_missing_where_it_would_be_seen():
    (frame,) = with_lags([FRAME.with_columns(y=pl.Series([30.0, None, 40.0, 20.0]))], LAGS, [SOURCE])
    assert frame["y_lag_1"].fill_nan(None).to_list() == [20.0, None, 30.0, None]


@pytest.mark.parametrize("seed", range(5))
def test_no_later_value_has_a_say(seed):
    """Whatever comes after a time, the features up to it are the same."""
    rng = np.random.default_rng(seed)
    frame = series(60, seed)
    moment = int(rng.integers(5, 55))
    changed = frame.with_columns(y=pl.when(pl.col("t") >= moment).then(pl.lit(rng.normal())).otherwise("y"))
    before, after = (with_lags([one], LAGS, [SOURCE])[0].filter(pl.col("t") <= moment) for one in (frame, changed))
    for name in LAGS.names:
        np.testing.assert_array_equal(before[name].to_numpy(), after[name].to_numpy())


def test_rows_of_one_time_would_see_each_other(refuses):
    message = (
        "f.csv, row 2 (line 3): its time of 't' is that of another row too, as in 1 cases: expected a time of its own for each "
        "row, since lags are the values before it. Leave --lags out, or leave such rows out."
    )
    with refuses(DataError, message):
        with_lags([FRAME.with_columns(t=pl.Series([3, 1, 4, 1]))], LAGS, [SOURCE])


def test_a_series_is_studied_by_its_lags():
    study = dn.run_study(series(), target="y", time="t", lags=5, seeds=2, epochs=60, hidden=(16,), arms="dropout")
    data = study.summary.data
    assert (data.rows, data.features, data.task) == (195, 5, "regression")
    assert data.notices == ("the first 5 rows by t are left out, as they have too few values before them",)
    found = study.model.evaluate(series())
    assert found.metric("rmse").value < 0.7 * found.metric("rmse").constant
    assert study.model.predict(series().head(30)).height == 30
    with pytest.raises(DataError, match="there is no column 'y'"):
        study.model.predict(series().drop("y"))


def test_lags_need_a_time_and_a_quantity(refuses):
    with refuses(
        ArgumentError, "lags=3 is given without time: expected the column that orders the rows. Give --time too."
    ):
        load_dataset(series(), target="y", lags=3)
    with pytest.raises(DataError, match="holds String: expected numbers for a regression"):
        load_dataset(series().with_columns(y=pl.lit("a")), target="y", time="t", lags=3)
    with refuses(DataError, "X: lags=500 leaves none of its 200 rows: expected fewer. Use --lags 1."):
        load_dataset(series(), target="y", time="t", lags=500)


def test_a_series_without_lags_is_told_of_them():
    with pytest.raises(
        DataError, match=r"The column 't' of --time is no feature, .* Of a series, --lags 7 makes features"
    ):
        load_dataset(series(), target="y", time="t")
