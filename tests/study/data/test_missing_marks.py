import polars as pl
import pytest

from dropnorm.study.data.missing_marks import MARKS, is_mark, without_marks


@pytest.mark.parametrize("text", sorted(MARKS))
def test_marks_are_known_in_any_case_and_with_blanks_around(text):
    assert is_mark(text)
    assert is_mark(text.upper())
    written = pl.Series([text, f" {text.upper()}\t", f"\N{NO-BREAK SPACE}{text}", "5"])
    assert without_marks(written).to_list() == [None, None, None, "5"]


@pytest.mark.parametrize(
    "text", ["999", "0", "unknown", "no", "-1", "nano", "?!", "n", "nothing", "nil", "***", "x", "0000", "-+"]
)
def test_other_answers_are_values(text):
    assert not is_mark(text)
    assert without_marks(pl.Series([text, None])).to_list() == [text, None]


def test_a_minus_beside_a_plus_is_a_value():
    assert without_marks(pl.Series(["-", "+", "?"])).to_list() == ["-", "+", None]
    assert without_marks(pl.Series(["\N{EN DASH}", "+"])).to_list() == ["\N{EN DASH}", "+"]
    assert without_marks(pl.Series(["-", "a"])).to_list() == [None, "a"]


def test_columns_of_categories_and_of_nothing():
    assert without_marks(pl.Series(["a", "NA"], dtype=pl.Categorical)).to_list() == ["a", None]
    assert without_marks(pl.Series([None, None], dtype=pl.String)).to_list() == [None, None]
    assert without_marks(pl.Series([], dtype=pl.String)).to_list() == []
