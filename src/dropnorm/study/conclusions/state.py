"""How the plain net is doing: does it overfit, underfit, neither, or are there too few rows to say?"""

import math
from collections.abc import Mapping, Sequence

from dropnorm.study.conclusions.shift import find_shift
from dropnorm.study.records import (
    ArmName,
    DataDescription,
    EpochRecord,
    Interval,
    NetRecord,
    State,
    StateName,
)
from dropnorm.study.statistics.intervals import interval_within
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import RMSE, Metric

SLIGHT = 0.02
LARGE = 0.1
WELL_LEARNED = 0.9
CLOSED = 0.1
LAST_EPOCHS = 0.1


def find_state(
    chosen: Mapping[ArmName, Sequence[NetRecord]],
    epochs: Sequence[EpochRecord],
    data: DataDescription,
    most_epochs: int,
    metric: Metric,
    constant: float,
    resampling: Resampling,
    resolution: float = 0.0,
) -> State:
    """The state of the plain net, one net per seed, read from the records alone; of each arm one net per seed is given.

    Sizes are shares of the error that the best constant leaves, which always says the most frequent class or the mean: so
    they mean the same for two classes, for a hundred and for a quantity. In this order:

    shifted:         the test rows are other rows than those for validation (`find_shift`), so that what separates training
                     from test rows is not only what was learned by heart.
    underfitting:    it has surely learned less than 0.9 of its own training rows, and its losses on training and validation
                     rows are still within a tenth of each other when training ends, epochs after the best one: a net that
                     could learn more by heart would have begun to. No gap is sure, and none that there may be is as large as
                     what is not learned. The net is too small, its training too short, or there is no more in the columns:
                     these records cannot tell the three apart, but for training that ended while it still got better.
    too little data: the interval of the generalization gap reaches from zero or below to a large gap, above 0.1: neither
                     overfitting nor its absence is excluded.
    overfitting:     the interval of the gap is above zero, and the gap at least 0.02.
    fine:            neither: there is no gap, a slight one, or none that could be large.
    Source:          high training error beside a small gap as bias, a gap as variance: Hastie, Tibshirani & Friedman 2009,
                     "The elements of statistical learning", sections 7.2 and 7.3; a net that stays underfitted through all
                     of its training: Liu et al. 2023, "Dropout reduces underfitting", arXiv 2303.01500.
    """
    nets = chosen["plain"]
    drop = find_shift(chosen, data, metric, constant)
    scale = metric.gain(metric.best, constant)
    gaps = [metric.gain(net.train_score, net.test_score) for net in nets]
    gap = interval_within(*resampling.tested(gaps, resolution), lowest=-metric.span, highest=metric.span)
    skills = [_skill(net, metric, constant) for net in nets]
    skill = interval_within(*resampling.tested(skills, resolution / scale), highest=1.0)
    opening = _opening(nets, epochs)
    return State(
        name="shifted" if drop else _name(gap.low / scale, gap.mean / scale, gap.high / scale, skill, opening),
        gap=gap,
        train_skill=skill,
        constant=constant,
        opening=opening,
        still_learning=sum(net.best_epoch > (1 - LAST_EPOCHS) * most_epochs for net in nets) / len(nets),
        drop=drop,
    )


def _name(low: float, mean: float, high: float, skill: Interval, opening: float) -> StateName:
    overfits = low > 0.0 and mean >= SLIGHT
    if skill.high < WELL_LEARNED and opening < CLOSED and not overfits and high < 1.0 - skill.mean:
        return "underfitting"
    if low <= 0.0 and high > LARGE:
        return "too_little_data"
    return "overfitting" if overfits else "fine"


def _skill(net: NetRecord, metric: Metric, constant: float) -> float:
    """What of the training part is learned: of the way from the constant's score, 0, to the best, 1; of errors R²."""
    # The loss of a quantity is in units of the training part's own variance.
    if metric == RMSE:
        return 1.0 - net.train_loss
    return metric.gain(net.train_score, constant) / metric.gain(metric.best, constant)


def _opening(nets: Sequence[NetRecord], epochs: Sequence[EpochRecord]) -> float:
    """By which share of the validation loss the training loss lies below it after the last epoch, on average."""
    last = {record.net: record for record in epochs}
    openings = [
        1.0 - last[net.net].train_loss / last[net.net].validation_loss
        for net in nets
        if 0.0 < last[net.net].validation_loss < math.inf
    ]
    return sum(openings) / len(openings) if openings else 0.0
