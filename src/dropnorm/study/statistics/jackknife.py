"""Intervals of metrics that are no mean over rows: the jackknife, which leaves out one part of the rows after the other."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from scipy import stats

from dropnorm.study.records import Interval
from dropnorm.study.statistics.intervals import CONFIDENCE
from dropnorm.study.statistics.rows import deal, share_interval

PARTS = 50

WithoutParts = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
"""From targets (rows,), predictions (rows, outputs), the part of each row (rows,) and the number of parts to the metric without
each of them (parts,)."""


def jackknife_interval(
    without_parts: WithoutParts,
    value: float,
    targets: np.ndarray,
    predictions: np.ndarray,
    groups: np.ndarray | None = None,
) -> Interval:
    """The 95 % interval of a metric whose best is 1, the predictions given.

    Equation:    se^2 = (g - 1) / g sum_i (v_i - mean v)^2, of the values v_i without each of g parts, which are 50, or as many
                 as there are rows, and whole groups where rows have some. Of a metric from 0 to 1
                 logit(v) +- t se / (v (1 - v)), of R2 1 - (1 - v) exp(+- t se / (1 - v)), t Student's for g - 1. Where a
                 metric of classes is 1 or 0 the parts say nothing: it is the interval of a share that all rows of the rarest
                 class are in, or none.
    Source:      Shao & Tu 1995, "The jackknife and bootstrap", section 2.1; the scale: DiCiccio, Monti & Young 2006, "Variance
                 stabilization for a scalar parameter", JRSS B 68.
    """
    parts = deal(len(targets), groups, PARTS)
    count = int(parts.max()) + 1
    known = without_parts(targets, predictions, parts, count)
    if count < 2 or not np.isfinite(known).all():
        return Interval(mean=value, low=0.0 if targets.dtype.kind == "i" else -np.inf, high=1.0)
    if value in (0.0, 1.0) and targets.dtype.kind == "i":
        labels, counts = np.unique(targets, return_counts=True)
        of_rarest = targets == labels[counts.argmin()]
        return share_interval(np.full(of_rarest.sum(), value == 1.0), None if groups is None else groups[of_rarest])
    error = np.sqrt((count - 1) / count * np.square(known - known.mean()).sum())
    reach = error * stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1)
    if targets.dtype.kind == "f":
        left = 1.0 - value
        factor = np.exp(reach / left) if left > 0.0 else 1.0
        return Interval(mean=value, low=1.0 - left * factor, high=1.0 - left / factor)
    odds, factor = value / (1.0 - value), np.exp(reach / (value * (1.0 - value)))
    low, high = (one / (1.0 + one) for one in (odds / factor, odds * factor))
    return Interval(mean=value, low=float(low), high=float(high) if np.isfinite(factor) else 1.0)


def confusions_without(
    targets: np.ndarray, predictions: np.ndarray, parts: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of each class, rows that are said to be, and those that are so rightly, without each part (parts, classes)."""
    classes, said = predictions.shape[1], predictions.argmax(axis=1)
    kinds = (targets, said, np.where(said == targets, targets, classes))
    counts = [np.bincount(parts * (classes + 1) + kind, minlength=count * (classes + 1)) for kind in kinds]
    of_parts = [one.reshape(count, classes + 1)[:, :classes].astype(np.float64) for one in counts]
    rows, predicted, right = (one.sum(axis=0) - one for one in of_parts)
    return rows, predicted, right


def _balanced_accuracy(targets: np.ndarray, predictions: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    rows, _, right = confusions_without(targets, predictions, parts, count)
    there = rows > 0
    recalls: np.ndarray = np.where(there, right / np.maximum(rows, 1.0), 0.0).sum(axis=1) / there.sum(axis=1)
    return recalls


def _f1(targets: np.ndarray, predictions: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    rows, predicted, right = confusions_without(targets, predictions, parts, count)
    found = 2.0 * right / np.maximum(rows + predicted, 1.0)
    if predictions.shape[1] == 2:
        of_positive: np.ndarray = found[:, positive_class(targets)]
        return of_positive
    there = rows > 0
    mean: np.ndarray = np.where(there, found, 0.0).sum(axis=1) / there.sum(axis=1)
    return mean


def _r2(targets: np.ndarray, predictions: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    centered = targets - targets.mean()
    values = (np.ones_like(targets), centered, np.square(centered), np.square(targets - predictions[:, 0]))
    of_parts = [np.bincount(parts, value, minlength=count) for value in values]
    rows, first, second, errors = (one.sum() - one for one in of_parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2: np.ndarray = 1.0 - errors / (second - first**2 / rows)
    return r2


def _roc_auc(targets: np.ndarray, predictions: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    classes = [1] if predictions.shape[1] == 2 else np.unique(targets)
    return _mean([_area(targets == one, predictions[:, one], parts, count) for one in classes])


def _area(hits: np.ndarray, scores: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    """The area under one ROC curve without each part: pairs of a hit and another row in the right order, over all pairs."""
    above = _others_below(hits, scores)  # of each hit
    below = _others_below(~hits, -scores)  # of each other row
    lost = np.bincount(parts[hits], above, minlength=count) + np.bincount(parts[~hits], below, minlength=count)
    within = [_others_below(hits[own], scores[own]).sum() for part in range(count) for own in [parts == part]]
    positive = hits.sum() - np.bincount(parts[hits], minlength=count)
    negative = (~hits).sum() - np.bincount(parts[~hits], minlength=count)
    with np.errstate(divide="ignore", invalid="ignore"):
        area: np.ndarray = (above.sum() - lost + within) / (positive * negative)
    return area


def _others_below(hits: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many other rows have a lower score than each hit (hits,), those with the same score by half."""
    below: np.ndarray = stats.rankdata(scores)[hits] - stats.rankdata(scores[hits])
    return below


def _mean(of_classes: Sequence[np.ndarray]) -> np.ndarray:
    mean: np.ndarray = np.mean(of_classes, axis=0)
    return mean


def _average_precision(targets: np.ndarray, predictions: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    classes = [positive_class(targets)] if predictions.shape[1] == 2 else np.unique(targets)
    return _mean([_precision(targets == one, predictions[:, one], parts, count) for one in classes])


def _precision(hits: np.ndarray, scores: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    """The average precision of one class without each part: the mean over its rows of the precision from their score on."""
    order = np.argsort(-scores, kind="stable")
    hit, part = hits[order], parts[order]
    last = (
        np.searchsorted(-scores[order], -scores[order][hit], side="right") - 1
    )  # of each hit, the last row of its score
    values = np.empty(count)
    for left_out in range(count):
        kept = part != left_out
        of_hits = kept[hit]
        found = np.cumsum(hit & kept)[last[of_hits]] / np.cumsum(kept)[last[of_hits]]
        values[left_out] = found.mean() if len(found) else np.nan
    return values


def positive_class(targets: np.ndarray) -> int:
    """Of two classes the rarer one, which is looked for; of equally frequent ones the second."""
    return int(np.count_nonzero(targets) * 2 <= len(targets))


WITHOUT_PARTS: Mapping[str, WithoutParts] = MappingProxyType(
    {
        "balanced_accuracy": _balanced_accuracy,
        "f1": _f1,
        "roc_auc": _roc_auc,
        "average_precision": _average_precision,
        "r2": _r2,
    }
)
