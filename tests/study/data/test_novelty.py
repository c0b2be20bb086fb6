import datetime

import numpy as np
import polars as pl
import pytest

from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.encoding import Encoding
from dropnorm.study.data.novelty import novelties, ranges_of
from dropnorm.study.data.sources.table import Source

NUMBER = ColumnEncoding(name="age", kind="number")
CATEGORY = ColumnEncoding(name="city", kind="category", categories=("Basel", "Bern"))
DATE = ColumnEncoding(name="day", kind="date", cycles=("year",))
BOOLEAN = ColumnEncoding(name="paid", kind="boolean", has_missing=True)


def told(column, values, ranges=None):
    """What is told of new values of one column."""
    encoding = Encoding(columns=(column,), target="y", task="classification", classes=("a", "b"))
    frame = pl.DataFrame(
        [values.alias(column.name) if isinstance(values, pl.Series) else pl.Series(column.name, values)]
    )
    features = encoding.encode(frame)
    return novelties(encoding, ranges or {}, frame, features, Source("X"))


def test_ranges_are_of_numbers_and_dates_in_their_first_feature():
    encoding = Encoding(columns=(CATEGORY, NUMBER, DATE), target="y", task="classification", classes=("a", "b"))
    days = [datetime.date(1970, 1, 2), datetime.date(1970, 1, 11)]
    frame = pl.DataFrame({"city": ["Bern", "Basel"], "age": [20.0, None], "day": days})
    assert ranges_of(encoding, encoding.encode(frame)) == {"age": (20.0, 20.0), "day": (1.0, 10.0)}


def test_like_rows_draw_no_word():
    assert told(NUMBER, [20.0, 45.0], {"age": (18.0, 40.0)}) == ()
    assert told(CATEGORY, ["Bern", "Basel"]) == ()
    assert told(BOOLEAN, [True, None]) == ()


@pytest.mark.parametrize("value", [1e9, -1e9, 63.0, -5.0])
def test_numbers_out_of_the_range_by_more_than_its_width_are_counted(value):
    assert told(NUMBER, [20.0, value, 30.0], {"age": (18.0, 40.0)}) == (
        f"age: numbers of 1 rows, such as {value:,.6g}, are far beyond the studied 18 to 40.",
    )


def test_dates_long_after_all_studied_ones_are_counted():
    days = [datetime.date(1970, 1, 5), datetime.date(2024, 5, 31)]
    assert told(DATE, days, {"day": (1.0, 10.0)}) == (
        "day: dates of 1 rows, such as 2024-05-31, are far beyond the studied 1970-01-02 to 1970-01-11.",
    )


def test_unknown_categories_are_counted():
    assert told(CATEGORY, ["Bern", "Zug", "Zug", "Chur"]) == (
        "city: categories that no studied row had, such as 'Zug', in 3 of 4 rows.",
    )
    assert told(CATEGORY, [1, 2]) == (
        "city: Int64 where the studied rows had texts; categories that no studied row had, such as '1', in 2 of 2 rows.",
    )


def test_rare_categories_of_many_are_only_told_where_they_are_most():
    many = CATEGORY.model_copy(update={"categories": tuple(f"c{place:02}" for place in range(99))})
    assert told(many, ["c00", "c01", "x"]) == ()
    assert told(many, ["c00", "x", "x"]) == (
        "city: categories without a code of their own, such as 'x', in 2 of 3 rows.",
    )


@pytest.mark.parametrize(
    ("column", "noun"), [(NUMBER, "numbers"), (CATEGORY, "categories"), (DATE, "dates"), (BOOLEAN, "true or false")]
)
def test_a_column_without_any_value_is_told(column, noun):
    assert told(column, pl.Series([None, None], dtype=pl.String)) == (
        f"{column.name}: no row has a value, where the studied rows had {noun}.",
    )


def test_gaps_where_there_were_none_are_counted():
    assert told(NUMBER, [1.0, None, float("nan")]) == (
        "age: 2 of 3 rows have no value, where all studied rows had one.",
    )
    assert told(CATEGORY, ["Bern", "?"]) == ("city: 1 of 2 rows have no value, where all studied rows had one.",)
    assert told(BOOLEAN, [True, None]) == ()


def test_values_that_count_as_missing_are_counted():
    lenient = NUMBER.model_copy(update={"lenient": True, "has_missing": True})
    assert told(lenient, ["1", "many", "2"]) == ("age: 1 values are no number, and count as missing.",)


def test_arrays_draw_no_word():
    column = ColumnEncoding(name="x", kind="array", shape=(2,))
    assert told(column, pl.Series("x", np.array([[1.0, 2.0]]), dtype=pl.Array(pl.Float64, 2))) == ()
