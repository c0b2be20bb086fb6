import polars as pl
import pytest

import dropnorm as dn
from dropnorm.study.data.column_summaries import NAMES, notices_of, summarize_columns
from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.order import Order
from dropnorm.study.data.understanding import UnderstoodColumn


def column(name, **fields):
    encoding = ColumnEncoding(name=name, **({"kind": "number"} | fields))
    return UnderstoodColumn(name, encoding.kind, "as it looks", encoding)


def left_out(name, kind, reason):
    return UnderstoodColumn(name, kind, reason)


def test_columns_that_are_encoded_alike_share_a_summary_in_the_order_of_the_first():
    columns = [
        column("age"),
        column("colour", kind="category", categories=("blue", "red")),
        column("income"),
        column("height", has_missing=True),
        column("shape", kind="category", categories=("round", "flat")),
        column("day", kind="date", cycles=("year", "week")),
        column("x", kind="array", shape=(8, 8)),
    ]
    found = summarize_columns(columns, Order(), ())
    assert [one.names for one in found] == [("age", "income"), ("colour", "shape"), ("height",), ("day",), ("x",)]
    assert [(one.kind, one.count, one.features) for one in found] == [
        ("number", 2, 2),
        ("category", 2, 4),
        ("number", 1, 2),
        ("date", 1, 5),
        ("array", 1, 64),
    ]
    assert [one.has_missing for one in found] == [False, False, True, False, False]
    assert (found[1].categories, found[3].cycles, found[4].shape) == (2, ("year", "week"), (8, 8))


def test_a_thousand_columns_are_few_records():
    columns = [column(f"c{number}", has_missing=number % 3 == 0) for number in range(1000)]
    found = summarize_columns(columns, Order(), [f"i{number}" for number in range(500)])
    assert [(one.count, len(one.names)) for one in found] == [(334, NAMES), (666, NAMES), (500, NAMES)]


def test_columns_left_out_come_last_and_are_told_by_their_kind():
    columns = [
        left_out("id", "identifier", "every row has another"),
        column("age"),
        left_out("z", "empty", "no row has a value"),
    ]
    assert [one.names for one in summarize_columns(columns, Order(), ())] == [("age",), ("id",), ("z",)]
    assert notices_of(columns) == (
        "left out as identifiers: id (every row has another); --as id=category uses it all the same",
        "left out as empty: z (no row has a value)",
    )


def test_of_many_columns_notices_name_a_few():
    columns = [left_out(f"c{place}", "constant", "every row has 0") for place in range(9)]
    columns += [UnderstoodColumn(f"n{place}", "number", "numbers", None, "is odd") for place in range(8)]
    (constants, *others) = notices_of(columns)
    assert constants == (
        "left out as constant: c0 (every row has 0), c1 (every row has 0), c2 (every row has 0), and 6 more"
    )
    assert others == [*(f"n{place} is odd" for place in range(6)), "2 more columns have such notices"]


@pytest.mark.parametrize("option", ["group", "time"])
def test_what_is_left_out_says_why(option):
    frame = pl.DataFrame({"id": range(40), "day": range(40), "a": [0.5, 0.7, 0.9, 1.1] * 10, "y": ["no", "yes"] * 20})
    found = load_dataset(frame, target="y", ignore="id", **{option: "day"}).describe(24, 8, 8).columns_encoded
    assert [(one.names, one.kind) for one in found] == [
        (("a",), "number"),
        (("day",), "left out"),
        (("id",), "left out"),
    ]
    assert (
        found[1].reason
        == {
            "group": "it says which rows stay together; that of a new row would be unknown",
            "time": "it orders the rows in time; that of a new row would be beyond all known",
        }[option]
    )
    assert found[2].reason == "--ignore names it"


def test_the_features_of_all_summaries_are_those_of_the_data():
    summary = dn.run_study("iris", seeds=2, epochs=1, hidden=(4,)).summary
    assert sum(one.features for one in summary.data.columns_encoded) == summary.data.features == 4
    assert sum(one.count for one in summary.data.columns_encoded) == summary.data.columns
