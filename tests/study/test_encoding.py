from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from dropnorm.errors import DataError
from dropnorm.study.encoding import encode_target, learn_encoding, without_value

NAN = float("nan")


def encoded(column: pl.Series, then: pl.Series | None = None) -> list[list[float]]:
    """The features of one column, learned from it; of the column `then`, if that is given."""
    encoding = learn_encoding(table_of(column), "y", (), "X")
    return encoding.encode(table_of(column if then is None else then)).tolist()


def table_of(column: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"c": column, "y": [str(row % 2) for row in range(len(column))]})


def equal(got, expected):
    np.testing.assert_array_equal(np.array(got), np.array(expected))


def test_numbers_are_one_feature():
    equal(encoded(pl.Series([1, 2, 4])), [[1], [2], [4]])


def test_a_missing_number_is_nan_with_a_feature_that_says_so():
    equal(encoded(pl.Series([1.5, None, 4.0, NAN])), [[1.5, 0], [NAN, 1], [4, 0], [NAN, 1]])


def test_truth_values_are_numbers():
    equal(encoded(pl.Series([True, False, True])), [[1], [0], [1]])


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
    # The category's name is that of Python's missing value.
    equal(encoded(pl.Series(["None", "b"]), then=pl.Series([None, "b"])), [[0, 0], [0, 1]])
    equal(encoded(pl.Series([1.0, 2.0]), then=pl.Series([None, 2.0])), [[NAN], [2]])


def test_categories_that_look_like_numbers_are_known_again_whatever_their_type():
    studied = pl.Series(["1", "2", "x"])
    equal(encoded(studied, then=pl.Series([2, 1])), [[0, 1, 0], [1, 0, 0]])
    equal(encoded(studied, then=pl.Series([2.0, None, 1.5])), [[0, 1, 0], [0, 0, 0], [0, 0, 0]])


def test_a_column_of_numbers_may_be_missing_throughout_when_predicting():
    equal(encoded(pl.Series([1, None]), then=pl.Series([None, None], dtype=pl.String)), [[NAN, 1], [NAN, 1]])


MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS


@pytest.mark.parametrize(
    "studied",
    [
        pl.Series([date(1970, 1, 2), date(1970, 1, 5)]),
        pl.Series([datetime(1970, 1, 2), datetime(1970, 1, 5)]),
        pl.Series([datetime(1970, 1, 2), datetime(1970, 1, 5)], dtype=pl.Datetime("ns")),
        pl.Series([datetime(1970, 1, 2), datetime(1970, 1, 5)], dtype=pl.Datetime("ms", "UTC")),
        pl.Series([timedelta(days=1), timedelta(days=4)], dtype=pl.Duration("ms")),
    ],
    ids=lambda series: str(series.dtype),
)
def test_dates_and_durations_are_in_one_unit_whatever_their_own(studied):
    equal(encoded(studied), [[DAY], [4 * DAY]])


def test_times_of_day_are_numbers():
    low, high = (row[0] for row in encoded(pl.Series([time(0, 0, 1), time(0, 0, 3)])))
    assert high == 3 * low > 0


def test_columns_lie_side_by_side_in_the_tables_order():
    table = pl.DataFrame({"n": [1, None], "y": ["u", "v"], "id": [7, 8], "t": ["b", "a"]})
    encoding = learn_encoding(table, "y", ["id"], "X")
    assert [column.name for column in encoding.columns] == ["n", "t"]
    assert encoding.features == 4
    equal(encoding.encode(table.select("t", "n", "id")), [[1, 0, 0, 1], [NAN, 1, 1, 0]])


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (pl.Series(["b", "a", None]), ("a", "b")),
        (pl.Series([10, 9, None]), ("9", "10")),
        (pl.Series([1.0, 0.0, None, NAN]), ("0", "1")),
        (pl.Series([0.5, 1.0, None]), ("0.5", "1")),
        (pl.Series([1234567.0, 1234568.0]), ("1234567", "1234568")),
        (pl.Series([True, False]), ("False", "True")),
        (pl.Series(["b", "a"], dtype=pl.Categorical), ("a", "b")),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_classes_are_the_different_values_of_the_target(values, classes):
    table = pl.DataFrame({"c": range(len(values)), "y": values})
    assert learn_encoding(table, "y", (), "X").classes == classes
    present = values.filter(~without_value(values))
    indices = encode_target(present, classes)
    assert indices.dtype == np.int64
    assert [classes[index] for index in indices] == [
        str(int(value)) if isinstance(value, float) and value == int(value) else str(value) for value in present
    ]


def refused(column: pl.Series) -> None:
    learn_encoding(pl.DataFrame({"c": column, "y": ["a", "b"] * (len(column) // 2)}), "y", (), "f.csv")


LEAVE_OUT = "Leave it out with --ignore 'c' (ignore=['c'] in Python)."


@pytest.mark.parametrize("missing", [pl.Series([None, None]), pl.Series([NAN, None])])
def test_a_column_without_any_value(missing, refuses):
    with refuses(DataError, f"f.csv: the column 'c' has no value in any row. {LEAVE_OUT}"):
        refused(missing)


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


def test_texts_that_are_no_categories(refuses):
    message = (
        f"f.csv: the column 'c' holds 101 different texts: expected numbers, or at most 100 categories. {LEAVE_OUT}"
    )
    with refuses(DataError, message):
        refused(pl.Series([f"id{row % 101}" for row in range(202)]))


def test_a_hundred_categories_are_still_some():
    column = pl.Series([f"id{row % 100}" for row in range(200)])
    assert learn_encoding(table_of(column), "y", (), "X").features == 100


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_a_stray_text_among_numbers_is_pointed_at(refuses, dtype):
    values = [str(row) for row in range(200)]
    values[41] = values[99] = "n.a."
    message = (
        f"f.csv: the column 'c' holds 199 different texts: expected numbers, or at most 100 categories. Most are numbers, "
        f"but row 42 (line 43 of a file) holds 'n.a.'. {LEAVE_OUT}"
    )
    with refuses(DataError, message):
        refused(pl.Series(values, dtype=dtype))


def test_infinite_values(refuses):
    message = (
        "f.csv: the column 'c' is infinite or beyond 1e+100 in 2 rows, first in row 2 (line 3 of a file): expected finite or "
        "missing values. Replace them, or leave the column out."
    )
    with refuses(DataError, message):
        refused(pl.Series([1.0, float("-inf"), float("inf"), None]))


def test_a_misspelt_target_or_ignored_column(refuses):
    table = pl.DataFrame({"width": [1, 2], "kind": ["a", "b"]})
    message = "f.csv: there is no column 'knid'. Did you mean 'kind'? The columns are: width, kind."
    with refuses(DataError, message):
        learn_encoding(table, "knid", (), "f.csv")
    with refuses(DataError, "f.csv: there is no column 'zzz'. The columns are: width, kind."):
        learn_encoding(table, "kind", ["zzz"], "f.csv")


def test_of_many_columns_the_first_twelve_are_listed(refuses):
    table = pl.DataFrame({f"c{index}": [0] for index in range(13)})
    listed = ", ".join(f"c{index}" for index in range(12))
    with refuses(DataError, f"f.csv: there is no column 'y'. The columns are: {listed}, ...."):
        learn_encoding(table, "y", (), "f.csv")


def test_nothing_left_to_learn_from(refuses):
    table = pl.DataFrame({"id": [1, 2], "y": ["a", "b"]})
    with refuses(DataError, "f.csv: no column is left to learn from, besides the target 'y'."):
        learn_encoding(table, "y", ["id"], "f.csv")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (pl.Series(["a", "a"]), "only the class 'a'"),
        (pl.Series([1.0, NAN]), "only the class '1'"),
        (pl.Series([None, None], dtype=pl.String), "no value in any row"),
    ],
)
def test_a_target_with_fewer_than_two_classes(values, found, refuses):
    with refuses(DataError, f"f.csv: the target 'y' has {found}: expected at least two classes."):
        learn_encoding(pl.DataFrame({"c": [1, 2], "y": values}), "y", (), "f.csv")


@pytest.mark.parametrize(
    ("values", "count"),
    [(pl.Series(range(101)), 101), (pl.Series([index + 0.5 for index in range(11)]), 11)],
    ids=["identifiers", "a quantity"],
)
def test_a_target_that_is_no_class(values, count, refuses):
    message = (
        f"f.csv: the target 'y' has {count} different values, so it looks like a quantity or an identifier: expected at "
        f"most 100 classes. Bin it into classes, or name another --target."
    )
    with refuses(DataError, message):
        learn_encoding(pl.DataFrame({"c": range(len(values)), "y": values}), "y", (), "f.csv")


def test_a_target_that_cannot_be_a_class(refuses):
    message = "f.csv: the target 'y' holds List(Int64): expected texts, whole numbers, true or false."
    with refuses(DataError, message):
        learn_encoding(pl.DataFrame({"c": [1, 2], "y": [[1], [2]]}), "y", (), "f.csv")


def test_a_column_that_is_missing_from_the_table_to_encode(refuses):
    encoding = learn_encoding(pl.DataFrame({"width": [1, 2], "y": ["a", "b"]}), "y", (), "X")
    with refuses(DataError, "new.csv: there is no column 'width'. Did you mean 'widht'? The columns are: widht."):
        encoding.encode(pl.DataFrame({"widht": [1]}), "new.csv")


@pytest.mark.parametrize(
    ("column", "dtype", "stray"),
    [
        (pl.Series(["1", "2", "many"]), "String", " Most are numbers, but row 3 (line 4 of a file) holds 'many'."),
        (pl.Series(["few", "many"]), "String", ""),
        (pl.Series([[1], [2]]), "List(Int64)", ""),
    ],
)
def test_texts_where_the_study_had_numbers(column, dtype, stray, refuses):
    encoding = learn_encoding(pl.DataFrame({"c": [1, 2], "y": ["a", "b"]}), "y", (), "X")
    message = f"new.csv: the column 'c' holds {dtype}, where the study had numbers.{stray} Expected numbers or missing values."
    with refuses(DataError, message):
        encoding.encode(pl.DataFrame({"c": column}), "new.csv")
