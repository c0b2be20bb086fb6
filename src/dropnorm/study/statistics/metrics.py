"""The metrics that predictions are judged by: scikit-learn's functions, on predictions of one or many nets.

How each is called and written is in `dropnorm.study.task.METRICS`, which the report reads without scikit-learn.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from sklearn import metrics as sklearn_metrics

from dropnorm.study.records import ClassResult, Interval, MetricResult, TaskName
from dropnorm.study.statistics.jackknife import WITHOUT_PARTS, jackknife_interval, positive_class
from dropnorm.study.statistics.rows import mean_interval, share_interval
from dropnorm.study.task import METRICS

Score = Callable[[np.ndarray, np.ndarray], float]
"""From targets (rows,) and predictions (rows, classes) of probabilities or (rows, 1) of a quantity."""


def score_of(metric: str, targets: np.ndarray, predictions: np.ndarray) -> float:
    """The score of predictions in a metric; NaN where the rows do not define it, such as a ROC curve of one class alone.

    Shape:       targets (rows,), int64 of classes or float64 of a quantity; predictions (rows, classes) of probabilities, or
                 (rows, 1) of a quantity in its own unit
    Numerics:    predictions that are not finite, of a net that has diverged, have the worst score that there is: 0, or
                 infinity where lower is better.
    Source:      scikit-learn's functions of these names. F1 and average precision are, of two classes, those of the rarer one
                 (of equally frequent ones the second), and of more classes, as the area under the ROC curve is, the mean over
                 the classes, each against the rest.
    """
    if not np.isfinite(predictions).all():
        return _WORST.get(metric, 0.0)
    with warnings.catch_warnings():
        # scikit-learn warns where a class has no row, and gives what is right for it.
        warnings.simplefilter("ignore")
        return float(_SCORES[metric](targets, predictions))


def constant_score(metric: str, targets: np.ndarray, classes: int) -> float:
    """The score of always saying the same: each class with its share of the rows, or the mean of a quantity."""
    said = np.bincount(targets, minlength=classes) / len(targets) if classes else targets.mean(keepdims=True)
    return score_of(metric, targets, np.tile(said, (len(targets), 1)))


def metric_results(
    targets: np.ndarray, predictions: np.ndarray, groups: np.ndarray | None = None
) -> tuple[MetricResult, ...]:
    """Predictions in every metric of their task with intervals, and what always saying the same comes to beside them."""
    task: TaskName = "classification" if targets.dtype.kind == "i" else "regression"
    classes = predictions.shape[1] if task == "classification" else 0
    scores = [
        (metric, score_of(metric.key, targets, predictions), constant_score(metric.key, targets, classes))
        for metric in METRICS[task]
    ]
    return tuple(
        MetricResult(
            metric=metric.key,
            value=None if np.isnan(value) else value,
            constant=None if np.isnan(constant) else constant,
            **_interval(metric.key, value, targets, predictions, groups),
        )
        for metric, value, constant in scores
    )


def _interval(
    metric: str, value: float, targets: np.ndarray, predictions: np.ndarray, groups: np.ndarray | None
) -> dict[str, float]:
    """The ends of a metric's interval, the predictions given; none where there is nothing to tell it from."""
    if np.isnan(value) or not np.isfinite(predictions).all():
        return {}
    if metric == "accuracy":
        interval = share_interval(_labels(predictions) == targets, groups)
    elif metric in _MEANS:
        of_rows, written = _MEANS[metric]
        mean = mean_interval(of_rows(targets, predictions), groups)
        interval = Interval(mean=value, low=written(mean.low), high=written(mean.high))
    else:
        interval = jackknife_interval(WITHOUT_PARTS[metric], value, targets, predictions, groups)
    known = math.isfinite(interval.low) and math.isfinite(interval.high)
    return {"low": interval.low, "high": interval.high} if known else {}


def class_results(classes: Sequence[str], targets: np.ndarray, predictions: np.ndarray) -> tuple[ClassResult, ...]:
    """What predictions make of each class's rows; nothing of a quantity."""
    if not classes:
        return ()
    counts = sklearn_metrics.confusion_matrix(targets, _labels(predictions), labels=np.arange(len(classes)))
    said, right = counts.sum(axis=0), counts.diagonal()
    return tuple(
        ClassResult(
            name=name,
            rows=int(counts[number].sum()),
            recall=float(right[number] / max(counts[number].sum(), 1)),
            precision=float(right[number] / max(said[number], 1)),
            predicted=tuple(counts[number].tolist()),
        )
        for number, name in enumerate(classes)
    )


def _labels(predictions: np.ndarray) -> np.ndarray:
    labels: np.ndarray = predictions.argmax(axis=1)
    return labels


def _f1(targets: np.ndarray, predictions: np.ndarray) -> float:
    labels, classes = _labels(predictions), predictions.shape[1]
    if classes == 2:
        of = {"pos_label": positive_class(targets), "average": "binary"}
    else:
        of = {"average": "macro", "labels": np.unique(targets)}
    return float(sklearn_metrics.f1_score(targets, labels, zero_division=0.0, **of))


def _roc_auc(targets: np.ndarray, predictions: np.ndarray) -> float:
    if predictions.shape[1] == 2:
        return sklearn_metrics.roc_auc_score(targets, predictions[:, 1]) if len(np.unique(targets)) == 2 else np.nan
    return _each_against_the_rest(sklearn_metrics.roc_auc_score, targets, predictions)


def _average_precision(targets: np.ndarray, predictions: np.ndarray) -> float:
    if predictions.shape[1] == 2:
        positive = positive_class(targets)
        hits = targets == positive
        return sklearn_metrics.average_precision_score(hits, predictions[:, positive]) if hits.any() else np.nan
    return _each_against_the_rest(sklearn_metrics.average_precision_score, targets, predictions)


def _each_against_the_rest(score: Score, targets: np.ndarray, predictions: np.ndarray) -> float:
    """The mean over the classes that some rows have and others have not."""
    present = [number for number in np.unique(targets) if not (targets == number).all()]
    scores = [score(targets == number, predictions[:, number]) for number in present]
    return float(np.mean(scores)) if scores else np.nan


def _of_right_class(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The probability of each row's class, as scikit-learn's log loss bounds it."""
    epsilon = np.finfo(predictions.dtype).eps
    right: np.ndarray = np.take_along_axis(predictions, targets[:, None], axis=1)[:, 0].clip(epsilon, 1.0 - epsilon)
    return right


def _log_loss(targets: np.ndarray, predictions: np.ndarray) -> float:
    return float(sklearn_metrics.log_loss(targets, predictions, labels=np.arange(predictions.shape[1])))


_SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "accuracy": lambda targets, predictions: sklearn_metrics.accuracy_score(targets, _labels(predictions)),
        "balanced_accuracy": lambda targets, predictions: sklearn_metrics.balanced_accuracy_score(
            targets, _labels(predictions)
        ),
        "f1": _f1,
        "roc_auc": _roc_auc,
        "average_precision": _average_precision,
        "log_loss": _log_loss,
        "rmse": lambda targets, predictions: sklearn_metrics.root_mean_squared_error(targets, predictions[:, 0]),
        "mae": lambda targets, predictions: sklearn_metrics.mean_absolute_error(targets, predictions[:, 0]),
        "r2": lambda targets, predictions: sklearn_metrics.r2_score(targets, predictions[:, 0]),
    }
)
_MEANS: Mapping[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Callable[[float], float]]] = (
    MappingProxyType(
        {
            "log_loss": (lambda targets, predictions: -np.log(_of_right_class(targets, predictions)), float),
            "rmse": (lambda targets, predictions: np.square(targets - predictions[:, 0]), math.sqrt),
            "mae": (lambda targets, predictions: np.abs(targets - predictions[:, 0]), float),
        }
    )
)
"""Metrics that are means over rows, or grow with one: what is averaged, and what makes the metric of the mean."""
_WORST = {"log_loss": np.inf, "rmse": np.inf, "mae": np.inf, "r2": -np.inf}
