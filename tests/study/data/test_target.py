import numpy as np
import polars as pl
import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.target import encode_target, guess_task, learn_classes, learn_quantity
from dropnorm.study.data.values import without_value

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (pl.Series(["a", "b"]), "classification"),
        (pl.Series([True, False]), "classification"),
        (pl.Series([0, 1, None]), "classification"),
        (pl.Series([0.25, 0.75]), "classification"),
        (pl.Series([0.25, 0.5, 0.75]), "regression"),
        (pl.Series([1.0, 2.0, 7.0, NAN]), "classification"),
        (pl.Series(range(5, 25)), "classification"),
        (pl.Series(range(5, 26)), "regression"),
        (pl.Series(range(100)), "classification"),
        (pl.Series(range(1, 101)), "classification"),
        (pl.Series(range(101)), "regression"),
        (pl.Series([*range(50), 51]), "regression"),
        (pl.Series(["1.5", "2.5", "4"]), "regression"),
        (pl.Series(["1.5", "2.5", "many"]), "classification"),
        (pl.Series(["1", "2", "7"]), "classification"),
        (pl.Series(["1.5", "2.5", "4"], dtype=pl.Categorical), "classification"),
        (pl.Series([1.5, 2.5, 4.5]).cast(pl.Decimal(4, 1)), "regression"),
    ],
    ids=lambda value: f"{value.dtype} {value[0]}" if isinstance(value, pl.Series) else "",
)
def test_what_a_target_looks_like(values, task):
    guess = guess_task(pl.concat([values] * 5).alias("y"))
    assert guess.task == task
    assert guess.reason.startswith("classes, as" if task == "classification" else "a quantity, as")


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
    assert learn_classes(values.alias("y"), Source("X")) == classes
    present = values.filter(~without_value(values))
    indices = encode_target(present, classes, Source("X"))
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
        learn_classes(values.alias("y"), Source("f.csv"))


@pytest.mark.parametrize(
    ("values", "count", "instead"),
    [
        (pl.Series(range(101)), 101, "use --task regression"),
        (pl.Series([f"id {row}" for row in range(101)]), 101, "name another --target"),
    ],
    ids=["numbers", "texts"],
)
def test_a_target_of_too_many_classes(values, count, instead, refuses):
    message = (
        f"f.csv: the target 'y' has {count} different values, so it looks like a quantity or an identifier: expected at most "
        f"100 classes. Bin it into classes, or {instead}."
    )
    with refuses(DataError, message):
        learn_classes(values.alias("y"), Source("f.csv"))


def test_a_target_that_cannot_be_a_class(refuses):
    message = "f.csv: the target 'y' holds List(Int64): expected texts, numbers, true or false."
    with refuses(DataError, message):
        learn_classes(pl.Series([[1], [2]]).alias("y"), Source("f.csv"))


@pytest.mark.parametrize(
    "values",
    [pl.Series([1.5, 2.0]), pl.Series(["1.5", "2"]), pl.Series([1.5, 2.0], dtype=pl.Float32)],
    ids=["numbers", "texts", "float32"],
)
def test_a_quantity_is_its_numbers(values):
    learn_quantity(values.alias("y"), Source("X"))
    numbers = encode_target(values.alias("y"), (), Source("X"))
    assert (numbers.dtype, numbers.tolist()) == (np.float64, [1.5, 2.0])
    assert encode_target(values[:1].alias("y"), (), Source("X")).tolist() == [1.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            pl.Series(["1", "2", "many"]),
            "holds String: expected numbers for a regression. Most are numbers, but row 3 holds 'many'. "
            "Name another --target, or use --task classification.",
        ),
        (
            pl.Series(["a", "b"]),
            "holds String: expected numbers for a regression. Name another --target, or use --task classification.",
        ),
        (
            pl.Series([[1], [2]]),
            "holds List(Int64): expected numbers for a regression. Name another --target, or use --task classification.",
        ),
        (pl.Series([2.5, 2.5, None]), "has only the value 2.5: expected at least two."),
        (pl.Series([NAN, None]), "has no value in any row: expected at least two."),
    ],
    ids=["a stray text", "texts", "lists", "constant", "empty"],
)
def test_a_target_that_is_no_quantity(values, message, refuses):
    with refuses(DataError, f"f.csv: the target 'y' {message}"):
        learn_quantity(values.alias("y"), Source("f.csv"))


def test_an_infinite_quantity(refuses):
    message = (
        "f.csv: the column 'y' is infinite or beyond 1e+100 in 1 rows, first in row 2: expected finite or "
        "missing values. Replace them, or leave the column out."
    )
    with refuses(DataError, message):
        learn_quantity(pl.Series("y", [1.0, float("inf")]), Source("f.csv"))


def test_a_class_that_was_not_there_when_the_classes_were_learned(refuses):
    message = (
        "test.csv, row 2: the target 'y' holds 'c', which no row to learn from has: expected one of a, b. Leave such rows out, "
        "or add some to learn from."
    )
    with refuses(DataError, message):
        encode_target(pl.Series("y", ["a", "c", "d"]), ("a", "b"), Source("test.csv"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pl.Series(["a", "b"]), "classes, as its values are texts"),
        (pl.Series([True, False]), "classes, as its values are true and false"),
        (pl.Series([0, 1]), "classes, as it has two different numbers; --task regression takes them for a quantity"),
        (
            pl.Series([0, 1, 2, 5]),
            "classes, as it has 4 different whole numbers; --task regression takes them for a quantity, which counts and "
            "ratings often are",
        ),
        (
            pl.Series(range(1, 31)),
            "classes, as they are numbered from 1 to 30 without a gap; --task regression takes them for a quantity, which "
            "counts and ratings often are",
        ),
        (
            pl.Series([0.5, 1.5, 2.5]),
            "a quantity, as it has 3 different numbers; --task classification takes each number for a class",
        ),
        (pl.Series([row / 7 for row in range(1200)]), "a quantity, as it has 1,200 different numbers"),
    ],
)
def test_a_guess_is_told_with_its_reason_and_the_other_way(values, words):
    assert guess_task(pl.concat([values] * 5)).words == words


def test_numbers_of_which_few_rows_have_each_are_a_quantity():
    assert guess_task(pl.Series([*range(15)] * 4)).task == "regression"
    assert guess_task(pl.Series([*range(15)] * 5)).task == "classification"
    assert guess_task(pl.Series([0, 1])).task == "classification"
