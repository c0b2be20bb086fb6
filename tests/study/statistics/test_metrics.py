import math

import numpy as np
import pytest

from dropnorm.study.statistics.metrics import class_results, constant_score, metric_results, positive_class, score_of
from dropnorm.study.task import METRICS

RNG = np.random.default_rng(0)
TWO, THREE = np.array([0, 0, 0, 0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
OF_TWO = np.column_stack([1 - (p := np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.1, 0.7, 0.35])), p])
OF_THREE = RNG.dirichlet(np.ones(3), 10)
QUANTITY = np.array([1.0, 2.0, 4.0])
OF_QUANTITY = np.array([[1.5], [2.0], [3.0]])


def by_pairs(hits, scores):
    """The area under the ROC curve by its meaning: how often a positive row is above a negative one."""
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[hits] for b in scores[~hits]]
    return sum(pairs) / len(pairs)


def by_thresholds(hits, scores):
    """The average precision by its definition: the precision at each positive row, the highest first."""
    order = np.argsort(-scores, kind="stable")
    found = hits[order]
    return float(np.mean([found[: rank + 1].mean() for rank in np.flatnonzero(found)]))


def f1(targets, labels, positive):
    right = np.sum((labels == positive) & (targets == positive))
    return 2 * right / (np.sum(labels == positive) + np.sum(targets == positive))


def test_of_two_classes_the_rarer_one_is_looked_for():
    labels = OF_TWO.argmax(axis=1)
    assert score_of("accuracy", TWO, OF_TWO) == 6 / 8
    assert score_of("balanced_accuracy", TWO, OF_TWO) == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert score_of("f1", TWO, OF_TWO) == pytest.approx(f1(TWO, labels, 1)) == pytest.approx(0.5)
    assert score_of("roc_auc", TWO, OF_TWO) == pytest.approx(by_pairs(TWO == 1, OF_TWO[:, 1]))
    assert score_of("average_precision", TWO, OF_TWO) == pytest.approx(by_thresholds(TWO == 1, OF_TWO[:, 1]))
    assert score_of("log_loss", TWO, OF_TWO) == pytest.approx(-np.log(OF_TWO[np.arange(8), TWO]).mean())
    assert (positive_class(TWO), positive_class(1 - TWO), positive_class(np.array([0, 1]))) == (1, 0, 1)
    for metric in ("f1", "roc_auc", "average_precision", "balanced_accuracy", "log_loss"):
        # Which number the rarer class has is of no account.
        assert score_of(metric, 1 - TWO, OF_TWO[:, ::-1]) == pytest.approx(score_of(metric, TWO, OF_TWO))


def test_of_several_classes_the_mean_over_them_is_taken():
    labels = OF_THREE.argmax(axis=1)
    assert score_of("f1", THREE, OF_THREE) == pytest.approx(np.mean([f1(THREE, labels, c) for c in range(3)]))
    for metric, oracle in (("roc_auc", by_pairs), ("average_precision", by_thresholds)):
        each = [oracle(c == THREE, OF_THREE[:, c]) for c in range(3)]
        assert score_of(metric, THREE, OF_THREE) == pytest.approx(np.mean(each))
    recalls = [np.mean(labels[c == THREE] == c) for c in range(3)]
    assert score_of("balanced_accuracy", THREE, OF_THREE) == pytest.approx(np.mean(recalls))


def test_of_a_quantity():
    assert score_of("rmse", QUANTITY, OF_QUANTITY) == pytest.approx((1.25 / 3) ** 0.5)
    assert score_of("mae", QUANTITY, OF_QUANTITY) == pytest.approx(0.5)
    assert score_of("r2", QUANTITY, OF_QUANTITY) == pytest.approx(1 - 1.25 / np.sum((QUANTITY - QUANTITY.mean()) ** 2))


def test_classes_that_no_row_has_are_left_out():
    some = THREE[THREE < 2]
    assert math.isfinite(score_of("roc_auc", some, OF_THREE[THREE < 2]))
    assert math.isfinite(score_of("average_precision", some, OF_THREE[THREE < 2]))
    assert math.isnan(score_of("roc_auc", np.zeros(3, dtype=int), OF_THREE[:3]))
    assert math.isnan(score_of("roc_auc", np.zeros(3, dtype=int), OF_TWO[:3]))


@pytest.mark.parametrize(
    ("metric", "targets", "classes", "expected"),
    [
        ("accuracy", TWO, 2, 0.75),
        ("balanced_accuracy", TWO, 2, 0.5),
        ("f1", TWO, 2, 0.0),
        ("roc_auc", TWO, 2, 0.5),
        ("average_precision", TWO, 2, 0.25),
        ("log_loss", TWO, 2, -0.75 * math.log(0.75) - 0.25 * math.log(0.25)),
        ("accuracy", THREE, 3, 0.4),
        ("balanced_accuracy", THREE, 3, 1 / 3),
        ("roc_auc", THREE, 3, 0.5),
        ("average_precision", THREE, 3, 1 / 3),
        ("rmse", QUANTITY, 0, float(np.std(QUANTITY))),
        ("mae", QUANTITY, 0, (4 / 3 + 1 / 3 + 5 / 3) / 3),
        ("r2", QUANTITY, 0, 0.0),
    ],
)
def test_what_always_saying_the_same_comes_to(metric, targets, classes, expected):
    assert constant_score(metric, targets, classes) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "targets", "right"),
    [("classification", THREE, np.eye(3)[THREE]), ("regression", QUANTITY, QUANTITY[:, None])],
)
def test_every_metric_of_a_task_has_its_best_and_its_worst(task, targets, right):
    for metric in METRICS[task]:
        assert score_of(metric.key, targets, right) == pytest.approx(metric.best, abs=1e-12)
        diverged = score_of(metric.key, targets, np.full_like(right, np.nan, dtype=float))
        assert diverged == (metric.lowest if metric.higher_is_better else metric.highest)
        assert metric.gain(constant_score(metric.key, targets, 3 if task == "classification" else 0), metric.best) < 0


def test_all_metrics_of_predictions_stand_beside_the_constants():
    found = {one.metric: one for one in metric_results(TWO, OF_TWO)}
    assert list(found) == [metric.key for metric in METRICS["classification"]]
    assert (found["accuracy"].value, found["accuracy"].constant) == (0.75, 0.75)
    assert found["roc_auc"].value == pytest.approx(by_pairs(TWO == 1, OF_TWO[:, 1]))
    assert [one.metric for one in metric_results(QUANTITY, OF_QUANTITY)] == ["rmse", "mae", "r2"]
    (alone,) = (one for one in metric_results(np.zeros(3, dtype=int), OF_TWO[:3]) if one.metric == "roc_auc")
    assert (alone.value, alone.constant) == (None, None)


def test_what_is_made_of_each_class():
    ants, bees = class_results(("ant", "bee"), TWO, OF_TWO)
    # Of six ants one is taken for a bee, of two bees one for an ant.
    assert (ants.rows, ants.predicted, ants.recall, ants.precision) == (6, (5, 1), 5 / 6, 5 / 6)
    assert (bees.rows, bees.predicted, bees.recall, bees.precision) == (2, (1, 1), 1 / 2, 1 / 2)
    (_, _, never) = class_results(("a", "b", "c"), np.array([0, 1]), np.eye(3)[:2])
    assert (never.rows, never.recall, never.precision, never.predicted) == (0, 0.0, 0.0, (0, 0, 0))
    assert class_results((), QUANTITY, OF_QUANTITY) == ()


@pytest.mark.parametrize(("targets", "predictions"), [(TWO, OF_TWO), (THREE, OF_THREE), (QUANTITY, OF_QUANTITY)])
def test_every_metric_has_an_interval_around_its_value(targets, predictions):
    for groups in (None, np.arange(len(targets)) % 3):
        for result in metric_results(targets, predictions, groups):
            assert result.low <= result.value <= result.high, result


def test_the_intervals_of_a_net_that_has_diverged_are_not_told():
    for result in metric_results(TWO, np.full((8, 2), np.nan)):
        assert (result.low, result.high) == (None, None)


def test_of_a_single_group_nothing_is_told_of_a_quantity():
    for result in metric_results(QUANTITY, OF_QUANTITY, np.zeros(3, dtype=int)):
        assert (result.low, result.high) == (None, None), result
