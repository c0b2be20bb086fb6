from datetime import time, timedelta

import numpy as np
import polars as pl
import pytest

from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.values import as_numbers, as_text, is_number, is_text, without_value

NAN = float("nan")


@pytest.mark.parametrize(
    ("column", "number", "text"),
    [
        (pl.Series([1]), True, False),
        (pl.Series([True]), True, False),
        (pl.Series(["1.5"]).cast(pl.Decimal(4, 1)), True, False),
        (pl.Series([timedelta(1)]), True, False),
        (pl.Series([time(1)]), True, False),
        (pl.Series(["1"]), False, True),
        (pl.Series(["1"], dtype=pl.Categorical), False, True),
        (pl.Series(["1"]).str.to_decimal().cast(pl.String), False, True),
        (pl.Series([[1]]), False, False),
        (pl.Series(["2024-05-31"]).str.to_date(), False, False),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_numbers_and_texts_are_told_apart(column, number, text):
    assert (is_number(column), is_text(column)) == (number, text)


def test_null_and_nan_are_missing():
    assert without_value(pl.Series([1.0, NAN, None])).to_list() == [False, True, True]
    assert without_value(pl.Series(["nan", None, " ? ", "0"])).to_list() == [True, True, True, False]


def test_whole_floats_are_named_as_whole_numbers():
    assert as_text(pl.Series([1.0, 0.5, 1e16])) == ["1", "0.5", "10000000000000000"]
    assert as_text(pl.Series([1.0, None, NAN, float("inf")])) == ["1", None, None, "inf"]
    assert as_text(pl.Series([True, None])) == ["True", None]
    assert as_text(pl.Series([" a", "b "])) == ["a", "b"]


def test_numbers_are_float64_with_nan_for_missing():
    np.testing.assert_array_equal(as_numbers(pl.Series([1, None, 3], dtype=pl.Int8), Source("X")), [1, NAN, 3])
