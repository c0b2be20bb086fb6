import math

import pytest

from dropnorm.errors import ArgumentError
from dropnorm.study.design import configure
from dropnorm.study.records import TaskName
from dropnorm.study.settings import MetricName
from dropnorm.study.task import ACCURACY, METRICS, RMSE, TASKS, Scale, judged_by, task_for


def test_every_task_of_the_records_is_there_under_its_name():
    assert set(TASKS) == set(TaskName.__args__)
    assert all(task.name == name for name, task in TASKS.items())


def test_every_metric_of_the_option_is_one_of_a_task_and_the_first_is_its_own():
    keys = [metric.key for metrics in METRICS.values() for metric in metrics]
    assert sorted(keys) == sorted(MetricName.__args__)
    assert {name: metrics[0] for name, metrics in METRICS.items()} == {n: t.metric for n, t in TASKS.items()}


def test_a_task_may_be_judged_by_another_metric_of_its_own():
    assert judged_by("classification", None) is TASKS["classification"]
    task = judged_by("classification", "roc_auc")
    assert (task.metric.name, task.loss) == ("area under the ROC curve", "cross-entropy")
    assert task.on_both_parts == ("its area under the ROC curve is {train} on its training rows and {test} on new ones")
    assert judged_by("classification", "balanced_accuracy").on_both_parts == (
        "its balanced accuracy is {train} % on its training rows and {test} % on new ones"
    )
    with pytest.raises(ArgumentError, match=r"metric='rmse' is unknown: expected one of 'accuracy', "):
        judged_by("classification", "rmse")


def test_weighted_classes_are_named_in_the_loss_and_judged_alike():
    config = configure(class_weight="balanced")
    task = task_for("classification", config)
    assert task.loss == "class-weighted cross-entropy"
    assert task.loss_in_words == "class-weighted log loss"
    assert task.metric.key == "balanced_accuracy"
    assert task_for("classification", configure(class_weight="balanced", metric="accuracy")).metric == ACCURACY
    assert task_for("classification", configure()) is TASKS["classification"]
    with pytest.raises(
        ArgumentError, match=r"class_weight='balanced' is given, and the target is a quantity: expected cl"
    ):
        task_for("regression", config)


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("accuracy", ", in percentage points (pp)"),
        ("f1", ""),
        ("log_loss", ", in nats"),
    ],
)
def test_a_gap_is_told_in_its_unit(metric, unit):
    assert judged_by("classification", metric).gap.endswith(f"on rows they have not seen{unit}")
    assert judged_by("regression", "mae").gap.endswith(", in the target's own unit")


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.0123, False, "1.2"),
        (0.0123, True, "+1.2"),
        (-0.0123, True, "−1.2"),
        (-0.0123, False, "−1.2"),
        (-0.0004, True, "0.0"),
        (0.0004, True, "0.0"),
        (0.0, True, "0.0"),
        (1.0, False, "100.0"),
        (123.0, True, "+12,300.0"),
    ],
)
def test_values_are_written_with_a_true_minus_and_zero_without_a_sign(value, signed, text):
    assert Scale(factor=100.0, decimals=1).write(value, signed=signed) == text


def test_accuracies_have_one_decimal_whatever_their_size():
    assert ACCURACY.scale(0.001) == ACCURACY.scale(1.0) == Scale(100.0, 1)


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (54.321, "54.32"),
        (9.9999, "10.000"),
        (5432.1, "5,432"),
        (543210.0, "543,210"),
        (0.0054321, "0.005432"),
        (1e-30, "0.000000000000"),
        (0.0, "0.000"),
        (math.inf, "inf"),
    ],
)
def test_errors_have_four_digits(score, text):
    assert RMSE.scale(score).write(score) == text


def test_a_gain_is_more_accuracy_or_less_error():
    assert ACCURACY.gain(0.9, 0.7) == pytest.approx(0.2)
    assert RMSE.gain(0.9, 0.7) == pytest.approx(-0.2)


def test_accuracies_come_in_steps_of_a_row():
    assert (ACCURACY.resolution(50), RMSE.resolution(50)) == (0.02, 0.0)


def test_the_best_score_is_always_right_or_never_off():
    assert (ACCURACY.best, RMSE.best) == (1.0, 0.0)


def test_labels_have_their_units():
    assert (ACCURACY.label, ACCURACY.labelled("gap")) == ("accuracy, %", "gap, pp")
    assert (RMSE.label, RMSE.labelled("gap")) == ("RMSE", "gap")
