import polars as pl
import pytest

from dropnorm.study.data.class_names import class_codes, class_texts, learn_class_names


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["1", "2", None]),
        pl.Series(["1.0", "2", "?"]),
        pl.Series([" 1", "2.00", "NA"]),
        pl.Series([1, 2, None]),
        pl.Series([1.0, 2.0, float("nan")]),
        pl.Series([1.0, 2.0, None], dtype=pl.Float32),
    ],
)
def test_numbers_have_one_name_however_they_are_written(column):
    assert class_texts(column).to_list() == ["1", "2", None]


@pytest.mark.parametrize(
    "column", [pl.Series([True, False, None]), pl.Series(["true", "FALSE", ""]), pl.Series(["True", "False", "NA"])]
)
def test_truth_values_have_one_name_however_they_are_written(column):
    assert class_texts(column).to_list() == ["True", "False", None]


@pytest.mark.parametrize(
    "texts", [["01", "1.0"], ["1.0", "x"], ["v1.0", "v2.0"], ["1.50", "2.5"], ["true", "maybe"], ["yes", "no"]]
)
def test_other_texts_stay_as_they_are_written(texts):
    assert class_texts(pl.Series(texts)).to_list() == texts


def test_two_answers_are_two_classes_in_whatever_spelling():
    texts = pl.Series(["YES", "No", "No", "no", "yes", "YES", None])
    assert learn_class_names(texts) == ["No", "YES"]
    assert class_codes(texts, ["No", "YES"]).to_list() == [1, 0, 0, 0, 1, 1, None]
    assert class_codes(pl.Series(["y", "n", "maybe"]), ["No", "YES"]).to_list() == [1, 0, None]


@pytest.mark.parametrize("texts", [["b", "a", "A"], ["yes", "no", "maybe"], ["Yes", "No"]])
def test_other_classes_are_told_apart_by_their_spelling(texts):
    assert learn_class_names(pl.Series(texts)) == sorted(texts)


def test_unknown_classes_have_no_code():
    assert class_codes(pl.Series(["b", "c", None]), ["a", "b"]).to_list() == [1, None, None]
