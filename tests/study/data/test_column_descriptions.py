import numpy as np
import pandas as pd
import polars as pl
import pytest

import dropnorm as dn
from dropnorm.errors import ArgumentTypeError, DataError

TEXT = """id,price,joined,active,city,note,same,nothing,target
{rows}
"""


@pytest.fixture
def messy(write):
    """A file with a column of each kind."""
    rows = [
        f'u{n:03},"${n},000",{n % 28 + 1:02}/05/2024,{("Yes", "no")[n % 2]},{("Bern", "Basel", "?")[n % 3]},'
        f"a long text about number {n},1,,{n % 2}"
        for n in range(1, 41)
    ]
    return write(TEXT.format(rows="\n".join(rows)))


def test_each_column_is_described(messy):
    table = dn.describe_columns(messy, target="last")
    assert (table.rows, table.notices, table.name) == (40, (), str(messy))
    kinds = {column.name: column.kind for column in table.columns}
    assert kinds == {
        "id": "identifier",
        "price": "number",
        "joined": "date",
        "active": "boolean",
        "city": "category",
        "note": "text",
        "same": "constant",
        "nothing": "empty",
        "target": "target",
    }
    by_name = {column.name: column for column in table.columns}
    city = by_name["city"]
    assert (city.distinct, city.missing, city.examples, city.features) == (2, 13, ("Basel", "Bern"), 3)
    assert city.encoding == "a feature for each category, and whether it is missing"
    assert by_name["price"].notice == "has $1,000, read as 1000; --as price=decimal-comma reads 1"
    assert by_name["joined"].reason == "dates, day before month"
    assert by_name["note"].examples[0] == "a long text about numbe…"
    assert by_name["target"].encoding == "the classes to predict"
    assert by_name["id"].encoding == "nothing: texts, of which every row has another"


def test_what_a_study_makes_of_columns_is_what_is_described(messy):
    described = dn.describe_columns(messy, target="last")
    study = dn.run_study(messy, target="last", seeds=2, epochs=1, hidden=(4,), batch_size=8)
    assert study.summary.data.features == sum(column.features for column in described.columns)
    told = {name: one.kind for one in study.summary.data.columns_encoded for name in one.names}
    assert told == {column.name: column.kind for column in described.columns if column.kind != "target"}


def test_a_column_that_has_to_be_asked_for_does_not_hide_the_others(write):
    path = write("day,x\n" + "\n".join(f"0{n % 9 + 1}/0{n % 7 + 1}/2024,{n}.5" for n in range(30)) + "\n")
    day, x = dn.describe_columns(path).columns
    assert (day.kind, x.kind) == ("unclear", "number")
    assert "--as day=day-first" in day.notice
    day, _ = dn.describe_columns(path, kinds={"day": "month-first"}).columns
    assert day.kind == "date"


def test_columns_that_are_ignored_are_left_out(messy):
    table = dn.describe_columns(messy, ignore=["id,price"])
    assert [(column.kind, column.encoding) for column in table.columns[:2]] == [
        ("left out", "nothing: --ignore names it"),
    ] * 2


@pytest.mark.parametrize(
    "X",
    [
        np.arange(60.0).reshape(20, 3),
        pd.DataFrame(np.arange(60.0).reshape(20, 3)),
        pl.DataFrame(np.arange(60.0).reshape(20, 3)),
        np.zeros((20, 4, 4)),
        "digits",
    ],
    ids=["array", "pandas", "polars", "images", "bundled"],
)
def test_data_in_memory_and_by_name(X):
    table = dn.describe_columns(X)
    assert {column.kind for column in table.columns} <= {"number", "array", "target", "constant"}
    assert sum(column.features for column in table.columns) in (3, 16, 64)


def test_options_that_are_not_allowed(messy, refuses):
    message = (
        "kinds={'id': 7} names no kinds of columns: expected such as {'zip': 'category'} in Python, or zip=category in words. "
        "Give a kind to each column that you name, or leave kinds out."
    )
    with refuses(ArgumentTypeError, message):
        dn.describe_columns(messy, kinds={"id": 7})
    with pytest.raises(DataError, match="there is no column 'ID'"):
        dn.describe_columns(messy, kinds={"ID": "category"})
