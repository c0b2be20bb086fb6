from datetime import time, timedelta

import numpy as np
import polars as pl
import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.columns import ColumnEncoding, encode_column
from dropnorm.study.data.sources.memory import array_column
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.understanding import understand_columns

NAN = float("nan")


def learned(column: pl.Series, source: str) -> ColumnEncoding:
    """The encoding of one column."""
    (understood,) = understand_columns(column.alias("c").to_frame(), ["c"], Source(source), {})
    assert understood.encoding is not None
    return understood.encoding


def encoded(column: pl.Series, then: pl.Series | None = None) -> list[list[float]]:
    """The features of one column, learned from it; of the column `then`, if that is given."""
    encoding = learned(column, "X")
    features = encode_column(encoding, (column if then is None else then).alias("c"), Source("new.csv"))
    assert features.shape[1] == encoding.features
    return features.tolist()


def equal(got, expected):
    np.testing.assert_array_equal(np.array(got), np.array(expected))


def test_numbers_are_one_feature():
    equal(encoded(pl.Series([1, 2, 4])), [[1], [2], [4]])


def test_a_missing_number_is_nan_with_a_feature_that_says_so():
    equal(encoded(pl.Series([1.5, None, 4.0, NAN])), [[1.5, 0], [NAN, 1], [4, 0], [NAN, 1]])


def test_truth_values_are_numbers():
    equal(encoded(pl.Series([True, False, True])), [[1], [0], [1]])


@pytest.mark.parametrize(
    "then",
    [
        ["yes", "No", None, "YES "],
        ["1", "0", "?", "1"],
        [1, 0, None, 1],
        [1.0, 0.0, NAN, 1.0],
        [True, False, None, True],
    ],
)
def test_truth_values_are_read_however_they_are_written(then):
    studied = pl.Series(["Yes", "no", None, "yes"])
    equal(encoded(studied, then=pl.Series(then, strict=False)), [[1, 0], [0, 0], [NAN, 1], [1, 0]])


@pytest.mark.parametrize(
    ("studied", "then", "values"),
    [
        (["1.200 €", "350 €", "1,5 €"], ["2.000,25 €", "7"], [2000.25, 7]),
        (["12 %", "5 %", "100 %"], ["7%", "-3 %"], [7, -3]),
        (["10:30", "09:15", "23:59"], ["00:01", "1:00"], [60, 3600]),
        (["1,000", "2,500", "900"], ["10,000", "(1,000)"], [10000, -1000]),
    ],
)
def test_numbers_are_read_in_the_format_of_the_studied_ones(studied, then, values):
    equal(encoded(pl.Series(studied), then=pl.Series(then)), [[value] for value in values])
    equal(encoded(pl.Series(studied), then=pl.Series([0.5, 2.0])), [[0.5], [2]])


def test_dates_are_read_in_the_order_of_the_studied_ones():
    studied = pl.Series(["31/05/2024", "01/02/2024"])
    features = np.array(encoded(studied, then=pl.Series(["03/04/2024", "2024-04-03"])))
    equal(features[:, 0], [19816, 19816])


def test_decimals_keep_their_value():
    equal(encoded(pl.Series(["1.50", "2.25"]).cast(pl.Decimal(10, 2))), [[1.5], [2.25]])


def test_texts_are_one_feature_per_category_in_alphabetical_order():
    equal(encoded(pl.Series(["b", "a", "c", "a"])), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.Enum(["b", "a"])], ids=["string", "categorical", "enum"]
)
def test_a_missing_category_is_one_of_its_own(dtype):
    equal(encoded(pl.Series(["b", None, "a"], dtype=dtype)), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_an_unknown_category_is_none_of_the_known():
    equal(encoded(pl.Series(["a", "b"]), then=pl.Series(["b", "c"])), [[0, 1], [0, 0]])


def test_a_value_that_was_never_missing_in_the_study_is_none_of_the_known_where_it_is_now():
    equal(encoded(pl.Series(["a", "b"]), then=pl.Series([None, "b"])), [[0, 0], [0, 1]])
    equal(encoded(pl.Series([1.0, 2.0]), then=pl.Series([None, 2.0])), [[NAN], [2]])


def test_categories_that_look_like_numbers_are_known_again_whatever_their_type():
    studied = pl.Series(["1", "2", "x"])
    equal(encoded(studied, then=pl.Series([2, 1])), [[0, 1, 0], [1, 0, 0]])
    equal(encoded(studied, then=pl.Series([2.0, None, 1.5])), [[0, 1, 0], [0, 0, 0], [0, 0, 0]])


def test_a_column_of_numbers_may_be_missing_throughout_when_predicting():
    equal(encoded(pl.Series([1, None]), then=pl.Series([None, None], dtype=pl.String)), [[NAN, 1], [NAN, 1]])


def test_times_of_day_are_numbers():
    low, high = (row[0] for row in encoded(pl.Series([time(0, 0, 1), time(0, 0, 3)])))
    assert high == 3 * low > 0


def refused(column: pl.Series) -> None:
    learned(column, "f.csv")


LEAVE_OUT = "Leave it out with --ignore 'c' (ignore=['c'] in Python)."


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pl.Series([[1], [2]]), "List(Int64)"),
        (pl.Series([{"a": 1}, {"a": 2}]), "Struct({'a': Int64})"),
        (pl.Series([b"a", b"b"]), "Binary"),
    ],
)
def test_a_column_of_lists_structs_or_bytes(column, dtype, refuses):
    message = (
        f"f.csv: the column 'c' holds {dtype}, which cannot be encoded: expected numbers, true or false, dates, or texts. "
        f"{LEAVE_OUT}"
    )
    with refuses(DataError, message):
        refused(column)


def test_a_hundred_categories_have_a_code_each_and_of_more_the_rarest_share_one():
    column = pl.Series([f"id{row % 100}" for row in range(400)])
    assert learned(column, "X").features == 100
    often = pl.Series(["often"] * 300 + [f"id{row % 102:03}" for row in range(204)] + ["id000"])
    encoding = learned(often, "X")
    assert encoding.categories[:2] == ("id000", "id001")
    assert encoding.features == 99
    assert "id101" not in encoding.categories
    equal(encode_column(encoding, pl.Series("c", ["id101", "never seen"]), Source("X")), np.zeros((2, 99)))


def test_infinite_values(refuses):
    message = (
        "f.csv: the column 'c' is infinite or beyond 1e+100 in 2 rows, first in row 2: expected finite or "
        "missing values. Replace them, or leave the column out."
    )
    with refuses(DataError, message):
        refused(pl.Series([1.0, float("-inf"), float("inf"), None]))


@pytest.mark.parametrize(
    ("column", "stray", "count"),
    [
        (pl.Series(["1", "2", "many"]), "row 3: the column 'c' holds 'many'", 1),
        (pl.Series(["few", "many"]), "row 1: the column 'c' holds 'few'", 2),
    ],
)
def test_texts_where_the_study_had_numbers(column, stray, count, refuses):
    message = (
        f"new.csv, {stray}, where the study had numbers. Expected such or missing values ({count} rows have others): mend or "
        f"empty them."
    )
    with refuses(DataError, message):
        encoded(pl.Series([1, 2]), then=column)


def test_values_of_another_type_where_the_study_had_numbers(refuses):
    message = (
        "new.csv: the column 'c' holds List(Int64), where the study had numbers. Expected such, or missing values: convert the "
        "column."
    )
    with refuses(DataError, message):
        encoded(pl.Series([1, 2]), then=pl.Series([[1], [2]]))


SECOND = 1_000_000


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_lengths_of_time_are_in_microseconds_whatever_their_unit(unit):
    column = pl.Series([timedelta(seconds=1), timedelta(seconds=4)], dtype=pl.Duration(unit))
    equal(encoded(column), [[SECOND], [4 * SECOND]])


DATES = pl.Series(["2024-01-01", None, "2024-07-01"])


@pytest.mark.parametrize("column", [DATES, DATES.str.to_date(), DATES.str.to_datetime()], ids=["text", "date", "time"])
def test_dates_have_their_day_their_place_in_year_and_week_and_whether_they_are_missing(column):
    features = np.array(encoded(column))
    assert features.shape == (3, 1 + 2 + 2 + 1)
    equal(features[:, 0], [19723, NAN, 19723 + 182])
    # The first of January is at the start of its turn, and the first of July 182 of 366 days on: about opposite.
    np.testing.assert_allclose(features[[0, 2], 1:3], [[0, 1], [0, -1]], atol=0.02)
    # Both are Mondays.
    np.testing.assert_allclose(features[[0, 2], 3:5], [[0, 1], [0, 1]], atol=1e-9)
    equal(features[:, 5], [0, 1, 0])


def test_a_column_of_dates_may_be_missing_throughout_when_predicting():
    equal(encoded(DATES, then=pl.Series([None], dtype=pl.String)), [[NAN, NAN, NAN, NAN, NAN, 1]])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            pl.Series(["2024-05-01", "soon"]),
            "new.csv, row 2: the column 'c' holds 'soon', where the study had dates, such as 2024-05-31 or 2024-05-31 13:30. "
            "Expected such or missing values (1 rows have others): mend or empty them.",
        ),
        (
            pl.Series([1, 2]),
            "new.csv: the column 'c' holds Int64, where the study had dates, such as 2024-05-31 or 2024-05-31 13:30. Expected "
            "such, or missing values: convert the column.",
        ),
    ],
    ids=["text", "numbers"],
)
def test_what_is_no_date_where_the_study_had_dates(column, message, refuses):
    with refuses(DataError, message):
        encoded(DATES, then=column)


IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)


def test_arrays_are_flattened_and_their_shape_is_kept():
    column = pl.Series("c", IMAGES)
    assert learned(column, "X").shape == (3, 4, 5)
    equal(encoded(column), IMAGES.reshape(2, -1))
    with_gap = np.array([[[1.0, NAN]], [[2.0, 3.0]]])
    equal(encoded(pl.Series(with_gap)), [[1, NAN], [2, 3]])


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float16, np.float32])
def test_arrays_may_be_of_any_type_of_numbers(dtype):
    array = np.array([[[0, 1]], [[1, 1]]], dtype=dtype)
    equal(encoded(array_column("c", array)), [[0, 1], [1, 1]])


def test_arrays_of_another_shape_than_the_studys(refuses):
    message = (
        "new.csv: the column 'c' holds Array(UInt8, shape=(3, 5, 4)), where the study had arrays of 3 x 4 x 5 numbers. "
        "Expected the same shape: scale or crop what is in it."
    )
    with refuses(DataError, message):
        encoded(pl.Series(IMAGES), then=pl.Series(IMAGES.reshape(2, 3, 5, 4)))


def test_infinite_values_in_arrays(refuses):
    message = (
        "f.csv: the arrays of 'c' are infinite or beyond 1e+100 in 1 rows, first in row 2: expected finite values or NaN. "
        "Replace them."
    )
    with refuses(DataError, message):
        refused(pl.Series(np.array([[[1.0, NAN]], [[np.inf, 1.0]]])))


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ({"kind": "number"}, ["c"]),
        ({"kind": "number", "has_missing": True}, ["c", "c is missing"]),
        ({"kind": "boolean"}, ["c"]),
        ({"kind": "category", "categories": ("red", "blue")}, ["c = red", "c = blue"]),
        ({"kind": "date", "cycles": ("year",)}, ["c", "c (sine of the year)", "c (cosine of the year)"]),
        ({"kind": "array", "shape": (2, 2)}, ["c[0, 0]", "c[0, 1]", "c[1, 0]", "c[1, 1]"]),
    ],
)
def test_every_feature_has_a_name(encoding, names):
    column = ColumnEncoding(name="c", **encoding)
    assert list(column.feature_names) == names
    assert len(names) == column.features
