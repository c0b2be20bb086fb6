import polars as pl
import pytest

from dropnorm.study.data.booleans import PAIRS, BooleanFormat, learn_booleans, parse_booleans


@pytest.mark.parametrize(("true", "false"), PAIRS)
def test_two_answers_are_truth_values_in_any_case_and_with_blanks_around(true, false):
    texts = pl.Series([true.upper(), f" {false} ", None, true.title()])
    form = learn_booleans(texts)
    assert form is not None
    assert parse_booleans(texts, form).to_list() == [True, False, None, True]


@pytest.mark.parametrize(
    ("texts", "values"),
    [(["y", "No", "YES", "n"], [True, False, True, False]), (["T", "false", "true"], [True, False, True])],
)
def test_both_lengths_of_the_same_answers(texts, values):
    form = learn_booleans(pl.Series(texts))
    assert form is not None
    assert parse_booleans(pl.Series(texts), form).to_list() == values


@pytest.mark.parametrize(
    "texts",
    [["yes", "no", "maybe"], ["yes", "yes"], ["0", "1"], ["a", "b"], ["yes", "false"], ["on", "no"], [None], []],
)
def test_other_texts_are_no_truth_values(texts):
    assert learn_booleans(pl.Series(texts, dtype=pl.String)) is None


def test_a_column_that_is_said_to_hold_truth_values_may_have_other_words():
    texts = pl.Series(["Yes", "no", "maybe"])
    form = learn_booleans(texts, asked=True)
    assert form == BooleanFormat(true=("yes",), false=("no",))
    assert parse_booleans(texts, form).to_list() == [True, False, None]
    assert learn_booleans(pl.Series(["a"]), asked=True) is None


def test_one_and_zero_are_always_read():
    assert parse_booleans(pl.Series(["1", "0.0", "2"]), BooleanFormat()).to_list() == [True, False, None]


def test_the_words_are_told():
    assert BooleanFormat(true=("yes", "y"), false=("no", "n")).words == "yes or y and no or n"
