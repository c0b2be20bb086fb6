import numpy as np
import polars as pl
import pytest

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.order import NamedOrder, Order, name_order
from dropnorm.study.data.sources.table import Source

FRAME = pl.DataFrame({"who": ["b", "a", "b"], "day": ["2024-03-01", "2024-01-01", "2024-02-01"], "y": [0, 1, 0]})


def order_of(frame=FRAME, test=None, **named) -> Order:
    _, order = name_order(frame, "y", group=named.get("group"), time=named.get("time"), has_test=test is not None)
    return order.of_rows(frame, test, Source("X"), Source("test"), {})


def test_without_a_column_there_is_no_order():
    order = order_of()
    assert (order.group, order.time, order.groups, order.times) == (None, None, None, None)
    assert order.identity(0) == b""


def test_groups_are_numbered_and_times_grow():
    assert order_of(group="who").groups.tolist() == [1, 0, 1]
    assert np.argsort(order_of(time="day").times).tolist() == [1, 2, 0]
    assert order_of(FRAME.with_columns(day=pl.Series([3.5, 1, 2])), time="day").times.tolist() == [3.5, 1, 2]


def test_groups_of_a_test_part_are_numbered_with_the_others():
    test = pl.DataFrame({"who": ["d", "c"]})
    assert order_of(test=test, group="who").groups.tolist() == [1, 0, 1, 3, 2]


def test_a_group_is_the_same_in_files_that_write_it_otherwise(refuses):
    learned, test = FRAME.with_columns(who=pl.Series(["7", "008", "x"])), pl.DataFrame({"who": [8.0, 9.0]})
    assert order_of(learned, test, group="who").groups.tolist() == [1, 0, 4, 2, 3]
    message = (
        "test: the group '7' of 'who' is in the test part and among the rows to learn from: expected groups of its own. Take "
        "its rows out of one of them."
    )
    for same in ([7], [7.0], ["7"], ["7.0"]):
        with refuses(DataError, message):
            order_of(learned, pl.DataFrame({"who": same}), group="who")


def test_the_column_is_no_feature():
    assert NamedOrder(group="who", time=None).columns == ["who"]
    assert NamedOrder(group=None, time="day").columns == ["day"]


def test_values_become_a_column_of_a_name_that_is_free():
    frame = FRAME.rename({"who": "group"})
    frame, order = name_order(frame, "y", group=[7, 7, 8], time=None, has_test=False)
    assert (order.columns, frame["group_"].to_list()) == (["group_"], [7, 7, 8])
    assert frame["group"].to_list() == ["b", "a", "b"]


def test_what_decides_on_splits_is_told_apart():
    days = FRAME.with_columns(who=pl.Series([1, 0, 1]), day=pl.Series([1, 0, 1]))
    identities = [order_of().identity(0), order_of().identity(1), order_of(group="who").identity(0)]
    identities += [order_of(days, time="day").identity(0), order_of(days, time="who").identity(0)]
    assert len(set(identities)) == 5


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            {"group": "who", "time": "day"},
            "group and time are both given: expected one of them, since a group that lasts would be in two parts. Name one.",
        ),
        ({"group": "y"}, "group='y' is the target: expected another column. Name another one."),
        ({"time": "y"}, "time='y' is the target: expected another column. Name another one."),
        (
            {"group": [1, 2, 3], "test": FRAME},
            "group is given as values beside a test part, whose own it does not have: expected the name of a column.",
        ),
    ],
    ids=["both", "group", "time", "values"],
)
def test_arguments_that_exclude_each_other(named, message, refuses):
    with refuses(ArgumentError, message):
        order_of(**named)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"group": "woh"}, "group='woh': there is no column 'woh': expected one of who, day, y. Did you mean 'who'?"),
        ({"time": [1, 2]}, "time has 2 values for 3 rows of X: expected one value per row."),
        (
            {"time": "who"},
            "X: the column 'who' holds String that is neither dates nor numbers, and so has no order in time: expected dates "
            "such as 2024-05-31 or 2024-05-31 13:30, or numbers. Name another --time.",
        ),
        (
            {"time": "day", "frame": FRAME.with_columns(day=pl.Series([None, "2024-01-01", None]))},
            "X: the column 'day' has no value in 2 rows with a target: expected one in every row, to split by it. Fill them "
            "in, or leave the rows out.",
        ),
        (
            {"group": "who", "test": pl.DataFrame({"name": ["c"]})},
            "test: there is no column 'who': expected one of name. Name one of them.",
        ),
        (
            {"group": "who", "test": FRAME},
            "test: the group 'a' of 'who' is in the test part and among the rows to learn from: expected groups of its own. "
            "Take its rows out of one of them.",
        ),
        (
            {"time": "day", "test": pl.DataFrame({"day": ["2024-03-01", "2024-03-02"]})},
            "test: 1 rows of the test part are not later by 'day' than all rows to learn from: expected a test part that comes "
            "after them. Take them out.",
        ),
    ],
    ids=["misspelt", "length", "no times", "gaps", "not in the test part", "shared group", "not later"],
)
def test_columns_that_cannot_split(named, message, refuses):
    with refuses(DataError, message):
        order_of(**named)
