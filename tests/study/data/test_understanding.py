import datetime

import numpy as np
import polars as pl
import pytest

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.understanding import understand_columns, understand_ordered

SOURCE = Source("f.csv", line=lambda row: row + 2)
ROWS = 40
REPEATED = ["a", "b"] * 20


def understood(values, name="c", kind=None, *, first=False, beside=None):
    """What one column is taken for, beside others."""
    column = values.alias(name) if isinstance(values, pl.Series) else pl.Series(name, values, strict=False)
    kinds = {} if kind is None else {name: kind}
    (found,) = understand_columns(column.to_frame(), [name], SOURCE, kinds, first=first)
    return found


def kind_of(values, name="c", **given):
    return understood(values, name, **given).kind


NUMBERS = {
    "thousands": [f"{n * 1000 + 234:,}" for n in range(1, ROWS + 1)],
    "currency": [f"${n * 1000:,}.50" for n in range(ROWS)],
    "percent": [f"{n} %" for n in range(ROWS)],
    "decimal comma": [f"{n},5" for n in range(ROWS)],
    "german": [f"{n}.234,50 €" for n in range(1, ROWS + 1)],
    "units": [f"{n} km" for n in range(ROWS)],
    "blanks": [f"  {n} " for n in range(ROWS)],
    "marks": ["?", "-", "NA", "n/a", ".", "null", ""] + [f"{n}.5" for n in range(ROWS)],
    "negative": [f"({n}.00)" for n in range(1, ROWS)],
    "floats": [n / 7 for n in range(ROWS)],
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_numbers_however_they_are_written(values):
    found = understood(values)
    assert found.kind == "number"
    assert found.encoding.has_missing == ("?" in values)


DATES = {
    "day first": [f"{day:02}/05/2024" for day in range(1, 32)],
    "month first": [f"5/{day}/2024 10:00" for day in range(1, 32)],
    "year first": [f"2024/05/{day:02}" for day in range(1, 32)],
    "months": [f"{year}-{month:02}" for year in (2022, 2023) for month in range(1, 13)],
    "names": [f"{day} May 2024" for day in range(1, 32)],
    "points": [f"{day}.5.24" for day in range(1, 32)],
    "typed": [datetime.date(2024, 5, day) for day in range(1, 32)],
}


@pytest.mark.parametrize("values", DATES.values(), ids=DATES)
def test_dates_however_they_are_written(values):
    assert kind_of(values) == "date"


BOOLEANS = {
    "cases": ["YES", "No", "no ", "yes"],
    "typed": [True, False, None],
    "letters": ["t", "f", "T"],
    "both lengths": ["y", "No", "yes"],
    "german": ["Ja", "nein", "ja"],
    "with marks": ["true", "FALSE", "?"],
}


@pytest.mark.parametrize("values", BOOLEANS.values(), ids=BOOLEANS)
def test_truth_values_however_they_are_written(values):
    found = understood(values)
    assert (found.kind, found.encoding.features) == ("boolean", 1 + found.encoding.has_missing)


CATEGORIES = {
    "words": REPEATED,
    "codes": ["A11", "A12"] * 20,
    "leading zeros": ["01234", "00501", "90210", "01234"] * 10,
    "sizes": ["S", "M", "3XL"] * 14,
    "answers": ["yes", "no", "maybe"] * 14,
    "plus and minus": ["+", "-"] * 20,
    "ranges": ["10-19", "20-29"] * 20,
    "versions": ["1.2.3", "1.2.4"] * 20,
    "few and one text": ["2", "3", "4", "5more"] * 10,
    "999 is a number, and so is no mark": ["unknown", "a"] * 20,
    "sentences that are there again": ["I agree with all of it", "I do not agree with it"] * 20,
    "typed": pl.Series(["1", "2"] * 20, dtype=pl.Categorical),
}


@pytest.mark.parametrize("values", CATEGORIES.values(), ids=CATEGORIES)
def test_categories(values):
    found = understood(values)
    assert found.kind == "category"
    assert len(found.encoding.categories) == len(set(values))


LEFT_OUT = [
    ("identifier", [f"u{n:04}x" for n in range(ROWS)], "user"),
    ("identifier", [f"{n:08x}-4bad-11d1" for n in range(ROWS)], "key"),
    ("identifier", list(range(100, 100 + 3 * ROWS, 3)), "customer_id"),
    ("identifier", list(range(100, 100 + 3 * ROWS, 3)), "CustomerID"),
    ("identifier", [str(n) for n in range(ROWS)], "Unnamed: 0"),
    ("identifier", [float(n) for n in range(1, ROWS + 1)], "rownames"),
    ("identifier", [str(10**20 + 7 * n) for n in range(ROWS)], "account"),
    ("text", [f"Mr. Number {n} of many, Junior" for n in range(ROWS)], "name"),
    ("text", [f"a long review of product {n % 30} that goes on and on" for n in range(ROWS)], "review"),
    ("text", [f"what {n % 101} people wrote down when they were asked" for n in range(1000)], "answer"),
    ("constant", ["x"] * ROWS, "c"),
    ("constant", [3.0] * ROWS, "c"),
    ("constant", [True] * ROWS, "c"),
    ("constant", ["5 %"] * ROWS, "c"),
    ("empty", [None] * ROWS, "c"),
    ("empty", ["?", "NA", " "] * ROWS, "c"),
    ("empty", [float("nan"), None] * ROWS, "c"),
]


@pytest.mark.parametrize(("kind", "values", "name"), LEFT_OUT)
def test_what_is_no_feature_is_left_out_with_a_reason(kind, values, name):
    found = understood(values, name)
    assert (found.kind, found.encoding) == (kind, None)
    assert found.reason


NO_IDENTIFIERS = [
    ("income", list(range(100, 100 + 3 * ROWS, 3))),
    ("humid", list(range(100, 100 + 3 * ROWS, 3))),
    ("paid", list(range(100, 100 + 3 * ROWS, 3))),
    ("store_id", [1, 2, 3, 4] * 10),
    ("id", [n / 3 for n in range(ROWS)]),
    ("day", list(range(1, ROWS + 1))),
]


@pytest.mark.parametrize(("name", "values"), NO_IDENTIFIERS)
@pytest.mark.parametrize("first", [False, True])
def test_numbers_that_differ_are_not_all_identifiers(name, values, first):
    assert kind_of(values, name, first=first) == "number"


def test_row_numbers_are_left_out_of_a_first_column_whatever_its_name():
    numbers = list(range(1, ROWS + 1))
    assert kind_of(numbers, "column_1", first=True) == "identifier"
    assert kind_of(numbers, "obs", first=True) == "identifier"
    assert kind_of(numbers, "obs") == "number"
    assert kind_of(numbers[::-1], "obs", first=True) == "number"


def test_the_columns_of_an_array_are_all_kept():
    frame = pl.DataFrame({"x0": range(ROWS), "x1": [0.0] * ROWS})
    found = understand_columns(frame, frame.columns, Source("X"), {}, plain=True)
    assert [column.kind for column in found] == ["number", "number"]


@pytest.mark.parametrize("text", ["unknown", "12 apples and more", "a"])
@pytest.mark.parametrize("row", [0, 17, ROWS])
def test_a_stray_text_among_numbers_is_named_with_its_line(text, row, refuses):
    values = [f"{n * 11}" for n in range(ROWS)]
    values.insert(row, text)
    message = (
        f"f.csv, row {row + 1} (line {row + 2}): the column 'c' holds {text!r}, where most rows have numbers (in 1 rows there "
        f"is none). Expected numbers or missing values: mend them, or say --as c=number to count others as missing, or --as "
        f"c=category (kinds= in Python)."
    )
    with refuses(DataError, message):
        understood(values)


def test_a_stray_text_among_dates_is_named_with_its_line(refuses):
    values = [f"2024-05-{day:02}" for day in range(1, 32)]
    values[4] = "2024-02-30"
    message = (
        "f.csv, row 5 (line 6): the column 'c' holds '2024-02-30', where most rows have dates (in 1 rows there is none). "
        "Expected dates or missing values: mend them, or say --as c=date to count others as missing, or --as c=category "
        "(kinds= in Python)."
    )
    with refuses(DataError, message):
        understood(values)


def test_a_stray_text_among_few_different_dates_is_named_too():
    values = [f"2024-05-0{n % 6 + 1}" for n in range(ROWS)]
    values[17] = "unknown"
    with pytest.raises(
        DataError, match=r"row 18 \(line 19\): the column 'c' holds 'unknown', where most rows have dates"
    ):
        understood(values)


def test_numbers_that_lose_digits_are_told():
    values = [str(10**17 + n % 3) for n in range(ROWS)]
    assert understood(values).notice == (
        "has numbers of more than 15 digits, whose last ones are lost; --as c=category keeps them apart"
    )


def test_dates_of_which_nobody_knows_the_month_are_asked_for(refuses):
    values = ["01/02/2024", "03/04/2024", "05/06/2024"] * 10
    message = (
        "f.csv: the column 'c' holds dates of which nobody can say what is the day and what the month: 01/02/2024 is 1 "
        "February 2024 or 2 January 2024. Expected to be told: --as c=day-first or --as c=month-first (kinds= in Python)."
    )
    with refuses(DataError, message):
        understood(values)
    assert understood(values, kind="day-first").encoding.date.order == "day-first"
    assert understood(values, kind="month-first").encoding.date.order == "month-first"


def test_numbers_with_one_comma_in_each_are_told_as_thousands():
    values = [f"{n},234" for n in range(1, ROWS)]
    assert understood(values).notice == "has 1,234, read as 1234; --as c=decimal-comma reads 1.234"
    assert understood(values, kind="decimal-comma").encoding.number.decimal == ","
    assert understood(values, kind="decimal-comma").notice == ""


@pytest.mark.parametrize(
    ("values", "kind", "features"),
    [
        (["1", "2", "x"] * 10, "number", 2),
        ([1, 2, 3] * 10, "category", 3),
        ([f"u{n}" for n in range(ROWS)], "category", ROWS),
        (["yes", "no", "maybe"] * 10, "boolean", 2),
        ([1, 0, 1] * 10, "boolean", 1),
        (["20240531", "20240601"] * 5, "date", 5),
        (["2024-05-31", "soon"] * 5, "date", 6),
        (list(range(ROWS)), "number", 1),
    ],
)
def test_a_kind_that_is_given_is_taken_and_what_does_not_fit_is_missing(values, kind, features):
    found = understood(values, "id", kind)
    assert (found.kind, found.encoding.features) == (kind, features)


def test_a_kind_that_no_value_is_of(refuses):
    message = (
        "--as c=date is given, and no value of that column of f.csv is one, such as 'a': expected a kind that fits. Leave it "
        "out to have it found out."
    )
    with refuses(ArgumentError, message):
        understood(REPEATED, kind="date")


def test_more_categories_than_codes_are_told():
    values = [f"w{n % 150}" for n in range(450)]
    found = understood(values)
    assert len(found.encoding.categories) == 99
    assert found.notice == "has 150 different texts, of which the 51 rarest share one code, in 153 rows"


def test_what_orders_rows_may_count_them():
    assert understand_ordered(pl.Series("t", range(ROWS)), SOURCE).kind == "number"
    assert understand_ordered(pl.Series("t", [f"{day:02}/05/2024" for day in range(1, 32)]), SOURCE).kind == "date"
    assert understand_ordered(pl.Series("t", [f"week {n}" for n in range(ROWS)]), SOURCE) is None


def test_a_thousand_columns_are_understood_quickly():
    frame = pl.DataFrame(np.arange(200_000.0).reshape(200, 1000) % 7)
    assert len(understand_columns(frame, frame.columns, SOURCE, {})) == 1000
