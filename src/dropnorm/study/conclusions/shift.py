"""Whether the test rows are other rows than those that a study chooses by. Nothing here imports torch."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dropnorm.study.records import ArmName, DataDescription, NetRecord
from dropnorm.study.task import Metric

LARGE = 0.1
ERRORS = 3.0
KURTOSIS = 9.0


def find_shift(
    chosen: Mapping[ArmName, Sequence[NetRecord]], data: DataDescription, metric: Metric, constant: float
) -> float | None:
    """By how much plain's score is worse on test than on validation rows, where no regularization explains that; else None.

    No net learns from its validation or its test rows, so that in a random split both give the same score up to chance, and
    nothing is looked for. Where the test rows are later ones or were given, they differ from the validation rows where, in
    plain, the score drops by more than 0.1 of the error that the best constant leaves and by more than 3 standard errors of
    the rows' own noise, and where in every other arm it drops by at least half as much.
    Numerics:    the noise of a share of rows is binomial; that of an RMSE is taken for errors of kurtosis 9, those of long
                 tails: RMSE * sqrt((kurtosis - 1) / (4 * rows)), which keeps a few large errors from counting as a shift.
    """
    if data.time is None and not data.given_test:
        return None
    drops = {
        arm: float(np.mean([metric.gain(net.validation_score, net.test_score) for net in nets]))
        for arm, nets in chosen.items()
    }
    plain = chosen["plain"]
    validation = float(np.mean([net.validation_score for net in plain]))
    noise = math.hypot(
        _standard_error(validation, data.validation_rows, metric), _standard_error(validation, data.test_rows, metric)
    )
    drop = drops["plain"]
    if not drop > max(LARGE * metric.gain(metric.best, constant), ERRORS * noise):
        return None
    return drop if min(drops.values()) >= drop / 2 else None


def _standard_error(score: float, rows: int, metric: Metric) -> float:
    """Of a score on so many rows, by the rows alone."""
    return (
        math.sqrt(score * (1.0 - score) / rows)
        if metric.counted
        else abs(score) * math.sqrt((KURTOSIS - 1) / (4 * rows))
    )
