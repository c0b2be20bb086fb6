"""How far a net's confidence is from its share of hits."""

from collections.abc import Sequence

import numpy as np

from dropnorm.study.records import Reliability

BINS = 15


def calibration_error(reliability: Reliability) -> float:
    """The expected calibration error: over bins of confidence, the mean distance of confidence and accuracy.

    Equation:    sum over bins of rows / all rows * |accuracy - mean confidence|
    Numerics:    0 of a net whose confidence is its accuracy in every bin, at most 1. Of few rows it is above 0 by chance
                 alone, since a bin's accuracy is that of the rows it happens to hold.
    Source:      Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", arXiv 1706.04599,
                 equation 3, with 15 bins of equal width.
    """
    counts = np.array(reliability.counts)
    apart = np.abs(np.array(reliability.accuracy) - np.array(reliability.confidence))
    return float((counts * apart).sum() / counts.sum())


def pooled(reliabilities: Sequence[Reliability]) -> Reliability:
    """Several nets' rows as though they were those of one."""
    counts = np.array([one.counts for one in reliabilities])
    total = counts.sum(axis=0)
    safe = np.maximum(total, 1)
    confidence = (counts * np.array([one.confidence for one in reliabilities])).sum(axis=0) / safe
    accuracy = (counts * np.array([one.accuracy for one in reliabilities])).sum(axis=0) / safe
    return Reliability(
        counts=tuple(total.tolist()), confidence=tuple(confidence.tolist()), accuracy=tuple(accuracy.tolist())
    )
