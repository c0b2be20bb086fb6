import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.sources.naming import column_named, columns_named, missing_column, numbered_names

COLUMNS = ["age", "2", "a,b", "last name"]


@pytest.mark.parametrize(
    ("given", "named"),
    [("age", "age"), ("2", "2"), ("1", "age"), ("3", "a,b"), ("first", "age"), ("last", "last name"), ("a,b", "a,b")],
)
def test_a_name_comes_before_a_place(given, named):
    assert column_named(given, COLUMNS, "f.csv") == named


@pytest.mark.parametrize("given", ["0", "5", "-1", "1.0", "ages"])
def test_a_column_that_is_not_there(given, refuses):
    hint = "Did you mean 'age'?" if given == "ages" else "Name one of them."
    with refuses(DataError, f"f.csv: there is no column {given!r}: expected one of age, 2, a,b, last name. {hint}"):
        column_named(given, COLUMNS, "f.csv")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["age,2"], ("age", "2")),
        (["a,b", "age"], ("a,b", "age")),
        (["age, last"], ("age", "last name")),
        (["age", "1", "age"], ("age",)),
        ([], ()),
    ],
)
def test_several_columns_with_commas_or_one_by_one(given, named):
    assert columns_named(given, COLUMNS, "X") == named


def test_of_many_columns_the_first_and_the_last_are_listed():
    names = numbered_names(20)
    assert str(missing_column("f.csv", "y", names)) == (
        f"f.csv: there is no column 'y': expected one of {', '.join(names[:12])}, ..., column_20. Name one of them."
    )
