import numpy as np
import polars as pl
import pytest

from dropnorm.errors import DataError
from dropnorm.study.target import encode_target, learn_classes
from dropnorm.study.values import without_value

NAN = float("nan")


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
    assert learn_classes(values.alias("y"), "X") == classes
    present = values.filter(~without_value(values))
    indices = encode_target(present, classes)
    assert indices.dtype == np.int64
    assert [classes[index] for index in indices] == [
        str(int(value)) if isinstance(value, float) and value == int(value) else str(value) for value in present
    ]


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
        learn_classes(values.alias("y"), "f.csv")


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
        learn_classes(values.alias("y"), "f.csv")


def test_a_target_that_cannot_be_a_class(refuses):
    message = "f.csv: the target 'y' holds List(Int64): expected texts, whole numbers, true or false."
    with refuses(DataError, message):
        learn_classes(pl.Series([[1], [2]]).alias("y"), "f.csv")
