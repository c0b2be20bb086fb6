import numpy as np
import polars as pl
import pytest

import dropnorm as dn
from dropnorm.errors import DataError
from dropnorm.study.run import plan_study

COUNTS = {"0": 50, "1": 40, "2": 30, "6": 2, "7": 4}


def table(counts=COUNTS, seed=0):
    """Rows of classes of so many rows each."""
    labels = np.repeat(list(counts), list(counts.values()))
    features = np.random.default_rng(seed).normal(size=(len(labels), 2))
    return pl.DataFrame({"a": features[:, 0], "b": features[:, 1], "y": labels})


def test_nothing_is_rare():
    planned = plan_study(table({"a": 20, "b": 20}), target="y", rare="merge")
    assert (planned.dataset.encoding.classes, planned.dataset.rare_classes) == (("a", "b"), ())


def test_a_rare_class_is_named_with_all_that_can_be_done(refuses):
    message = (
        "data: the class '6' of 'y' has 2 rows, and 1 other classes are too rare as well: expected at least 5, so that "
        "training, validation and test part each get one. Use --rare merge to make one class of all such ones, or --rare drop "
        "to leave their rows out. If they are a quantity, such as a count or a rating, use --task regression."
    )
    with refuses(DataError, message):
        plan_study(table(), target="y")
    with pytest.raises(DataError, match=r"--rare drop to leave their rows out\.$"):
        plan_study(table({"a": 30, "b": 30, "c": 1}), target="y")


def test_rare_classes_are_merged_into_one():
    dataset = plan_study(table(), target="y", rare="merge").dataset
    assert dataset.encoding.classes == ("0", "1", "2", "other")
    assert dataset.class_rows == (50, 40, 30, 6)
    assert dataset.encoding.merged == {"6": "other", "7": "other"}
    assert dataset.notices == ("merged into 'other' as too rare: 6, 7",)


def test_the_name_of_the_merged_class_is_free():
    counts = {"other": 30, "b": 30, "c": 3, "d": 4}
    assert plan_study(table(counts), target="y", rare="merge").dataset.encoding.classes == ("b", "other", "other_")


def test_rows_of_rare_classes_are_left_out():
    dataset = plan_study(table(), target="y", rare="drop").dataset
    assert (dataset.encoding.classes, dataset.rows) == (("0", "1", "2"), 120)
    assert dataset.notices == ("left out as too rare: 6 rows of 6, 7",)


def test_merged_classes_that_are_still_too_few(refuses):
    message = "data: rare='merge' makes one class of c, with 3 rows: expected at least 5. Use --rare drop, or add rows."
    with refuses(DataError, message):
        plan_study(table({"a": 30, "b": 30, "c": 3}), target="y", rare="merge")
    with pytest.raises(DataError, match="only one class is left"):
        plan_study(table({"a": 30, "c": 3}), target="y", rare="drop")


def test_of_groups_a_class_is_rare_that_few_groups_have():
    rows = table({"a": 30, "b": 30, "c": 30}).with_columns(
        who=pl.Series([f"p{row // 10}" for row in range(60)] + ["q"] * 30)
    )
    with pytest.raises(DataError, match="the class 'c' of 'y' has 1 groups of 'who': expected at least 3"):
        plan_study(rows, target="y", group="who")
    assert plan_study(rows, target="y", group="who", rare="drop").dataset.rows == 60


def test_a_study_of_merged_classes_evaluates_the_old_ones(quick):
    study = dn.run_study(table(), target="y", rare="merge", **quick)
    assert study.summary.data.rare_classes == ("6", "7")
    found = study.model.evaluate(table())
    assert (found.rows, [one.rows for one in found.classes]) == (126, [50, 40, 30, 6])


def test_rows_of_a_rare_class_in_a_given_test_part_go_too():
    tested = table({"0": 10, "1": 10, "2": 10, "7": 2}, seed=1)
    dataset = plan_study(table(), target="y", test=tested, rare="drop", validation_size=0.2).dataset
    assert (dataset.given_test, dataset.rows) == (30, 154 if "7" in dataset.encoding.classes else 150)
