"""Values without a part against scikit-learn's on the rows that are left, and how often the intervals hold."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, softmax

from dropnorm.study.statistics.jackknife import WITHOUT_PARTS, jackknife_interval
from dropnorm.study.statistics.metrics import score_of
from dropnorm.study.statistics.rows import share_interval

CLASSES = ("balanced_accuracy", "f1", "roc_auc", "average_precision")


def two(rows, seed=0, share=0.2, decimals=15):
    """Predictions of two classes, the second one rare, with ties where they are rounded."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < share).astype(np.int64)
    positive = expit(1.5 * targets + rng.normal(size=rows) - 1.2).round(decimals)
    return targets, np.column_stack([1.0 - positive, positive])


def four(rows, seed=0, decimals=15):
    rng = np.random.default_rng(seed)
    targets = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    return targets, softmax(2.0 * np.eye(4)[targets] + rng.normal(size=(rows, 4)), axis=1).round(decimals)


def quantity(rows, seed=0):
    rng = np.random.default_rng(seed)
    targets = 1e4 + rng.normal(size=rows)
    return targets, (targets + 0.6 * rng.normal(size=rows))[:, None]


@pytest.mark.parametrize(
    ("metric", "targets", "predictions"),
    [(metric, *made(300, decimals=decimals)) for metric in CLASSES for made in (two, four) for decimals in (15, 1)]
    + [("r2", *quantity(300))],
)
def test_values_without_a_part_are_those_of_the_rows_that_are_left(metric, targets, predictions):
    parts = np.random.default_rng(1).integers(0, 7, len(targets))
    expected = [score_of(metric, targets[parts != one], predictions[parts != one]) for one in range(7)]
    np.testing.assert_allclose(WITHOUT_PARTS[metric](targets, predictions, parts, 7), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("made", "metric"), [*[(two, metric) for metric in CLASSES], (four, "roc_auc"), (quantity, "r2")]
)
def test_intervals_hold_what_is_so_of_all_rows(made, metric):
    """False alarms: binomial with 300 at 0.95 is below 255 or all 300 with a chance under 1e-6 and 3e-7."""
    true = score_of(metric, *made(400_000, seed=10**6))
    held = 0
    for seed in range(300):
        targets, predictions = made(400, seed)
        got = jackknife_interval(WITHOUT_PARTS[metric], score_of(metric, targets, predictions), targets, predictions)
        held += got.low <= true <= got.high
    assert 255 <= held < 300


def test_groups_are_left_out_whole():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 10)
    targets = np.repeat(rng.integers(0, 2, 40), 10)
    positive = expit(1.0 * targets - 0.5 + np.repeat(rng.normal(size=40), 10))
    predictions = np.column_stack([1.0 - positive, positive])
    value = score_of("roc_auc", targets, predictions)
    alone = jackknife_interval(WITHOUT_PARTS["roc_auc"], value, targets, predictions)
    grouped = jackknife_interval(WITHOUT_PARTS["roc_auc"], value, targets, predictions, groups)
    # Ten rows of a group are one ten times.
    assert grouped.high - grouped.low > 2.0 * (alone.high - alone.low)


@pytest.mark.parametrize("metric", CLASSES)
def test_a_metric_that_is_perfect_is_as_sure_as_the_rarest_class_has_rows(metric):
    targets = np.repeat([0, 1, 2], [100, 60, 9])
    predictions = np.eye(3)[targets] * 0.8 + 0.05
    got = jackknife_interval(WITHOUT_PARTS[metric], score_of(metric, targets, predictions), targets, predictions)
    assert got == share_interval(np.ones(9, dtype=bool))
    assert got.low < 0.75


def test_a_class_of_one_row_says_nothing_of_its_ranks():
    targets = np.repeat([0, 1], [30, 1])
    positive = np.linspace(0.1, 0.9, 31)[::-1]
    got = jackknife_interval(WITHOUT_PARTS["roc_auc"], 0.0, targets, np.column_stack([1 - positive, positive]))
    assert (got.low, got.high) == (0.0, 1.0)


def test_r2_of_a_quantity_that_is_never_missed_is_one():
    targets = np.arange(30.0)
    got = jackknife_interval(WITHOUT_PARTS["r2"], 1.0, targets, targets[:, None])
    assert (got.low, got.high) == (1.0, 1.0)


def test_the_chance_of_a_false_alarm_is_as_stated():
    assert stats.binom.cdf(254, 300, 0.95) < 1e-6
    assert 0.95**300 < 1e-6
