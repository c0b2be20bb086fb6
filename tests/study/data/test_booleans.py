import polars as pl
import pytest

from dropnorm.study.data.booleans import WORDS, BooleanFormat, in_both_lengths, learn_booleans, parse_booleans


@pytest.mark.parametrize(
    ("true", "false"),
    [*((true[0], false[0]) for true, false in WORDS), ("t", "f"), ("y", "n"), ("j", "n"), ("sì", "no")],
)
def test_two_answers_are_truth_values_in_any_case_and_with_blanks_around(true, false):
    texts = pl.Series([true.upper(), f" {false} ", None, true.title()])
    form = learn_booleans(texts)
    assert form is not None
    assert parse_booleans(texts, form).to_list() == [True, False, None, True]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["y", "No", "YES", "n"], [True, False, True, False]),
        (["T", "false", "true"], [True, False, True]),
        (["Ja", "n", "j", "NEIN"], [True, False, True, False]),
        (["s", "No", "sí"], [True, False, True]),
        (["Yes", "1", "no", "0.0"], [True, True, False, False]),
    ],
)
def test_both_lengths_of_the_same_answers(texts, values):
    form = learn_booleans(pl.Series(texts))
    assert form is not None
    assert parse_booleans(pl.Series(texts), form).to_list() == values


@pytest.mark.parametrize(
    "texts",
    [
        ["yes", "no", "maybe"],
        ["yes", "yes"],
        ["0", "1"],
        ["a", "b"],
        ["yes", "false"],
        ["on", "no"],
        ["S", "N"],
        ["O", "N"],
        ["t", "n"],
        ["yes", "0"],
        ["NO", "SE"],
        [None],
        [],
    ],
)
def test_other_texts_are_no_truth_values(texts):
    assert learn_booleans(pl.Series(texts, dtype=pl.String)) is None


def test_a_column_that_is_said_to_hold_truth_values_may_have_other_words():
    texts = pl.Series(["Yes", "no", "maybe"])
    form = learn_booleans(texts, asked=True)
    assert form == BooleanFormat(true=("yes",), false=("no",))
    assert parse_booleans(texts, form).to_list() == [True, False, None]
    assert learn_booleans(pl.Series(["S", "N"]), asked=True) == BooleanFormat(true=("s",), false=("n",))
    assert learn_booleans(pl.Series(["a"]), asked=True) is None


def test_one_and_zero_are_always_read():
    assert parse_booleans(pl.Series(["1", "0.0", "2"]), BooleanFormat()).to_list() == [True, False, None]


def test_the_words_are_told():
    assert BooleanFormat(true=("yes", "y"), false=("no", "n")).words == "yes or y and no or n"


def test_a_letter_is_read_beside_its_word_and_a_word_beside_its_letter():
    assert in_both_lengths(BooleanFormat(true=("y",), false=("n",))) == BooleanFormat(
        true=("yes", "y"), false=("no", "n")
    )
    assert in_both_lengths(BooleanFormat(true=("on",), false=("off",))) == BooleanFormat(true=("on",), false=("off",))
    assert in_both_lengths(BooleanFormat(true=("up",), false=("down",))) == BooleanFormat(true=("up",), false=("down",))
