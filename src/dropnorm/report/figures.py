"""The figures of a run as data: curves with bands, points with intervals; nothing here draws."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy

from dropnorm.study.records import ArmResult, EpochRecord, Interval, Run, Summary
from dropnorm.study.task import TASKS, Metric, task_of

Measured = Literal["loss", "score"]
BAND_PERCENTILES = (15, 85)


@dataclass(frozen=True)
class Curve:
    """A quantity over the epochs: median and middle 70 % of the nets that still train, and how many these are."""

    epochs: tuple[int, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    nets: tuple[int, ...]

    @property
    def complete(self) -> int:
        """Over how many epochs, from the first on, all nets train."""
        return self.nets.count(max(self.nets, default=0))


@dataclass(frozen=True)
class ArmCurves:
    """One arm's curves, and the point on its validation curve at the median best epoch."""

    arm: str
    train: Curve
    validation: Curve
    best_epoch: float
    best_value: float


@dataclass(frozen=True)
class LearningCurves:
    """The learning curves of every arm: of the loss, or of the metric's score in its unit."""

    measured: Measured
    metric: Metric
    arms: tuple[ArmCurves, ...]


@dataclass(frozen=True)
class ArmInterval:
    """One arm's mean and 95 % interval, in the unit of differences of the metric."""

    arm: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ArmDifferences:
    """One arm's paired differences to plain, one per seed, with their mean."""

    seeds: tuple[float, ...]
    interval: ArmInterval


def learning_curves(run: Run, measured: Measured) -> LearningCurves:
    """Compute the learning curves of the nets that each arm is judged by, over their seeds.

    A curve ends where fewer than half of the arm's nets are still training: the few that go on would pull
    the median about. An arm without any recorded epoch is left out.

    Args:
        run: a finished run.
        measured: `"loss"`, or `"score"`: accuracy in percent, RMSE in the target's unit, whatever arms are judged by.
    """
    by_net: dict[int, list[EpochRecord]] = defaultdict(list)
    for record in run.epochs:
        by_net[record.net].append(record)
    metric = TASKS[run.summary.data.task].metric
    factor = 1.0 if measured == "loss" else metric.factor
    curves = (_arm_curves(result, by_net, measured, factor) for result in run.summary.arms)
    return LearningCurves(measured, metric, tuple(curve for curve in curves if curve.validation.epochs))


def generalization_gaps(summary: Summary) -> tuple[ArmInterval, ...]:
    """Collect the generalization gap of each arm with its 95 % interval."""
    factor = task_of(summary).metric.factor
    return tuple(_scaled(result.arm, result.generalization_gap, factor) for result in summary.arms)


def paired_differences(summary: Summary) -> tuple[ArmDifferences, ...]:
    """Collect the other arms' differences to plain in the test score, seed by seed."""
    factor = task_of(summary).metric.factor
    return tuple(
        ArmDifferences(
            seeds=tuple(factor * difference for difference in result.comparison.differences),
            interval=_scaled(result.arm, result.comparison.interval, factor),
        )
        for result in summary.arms
        if result.comparison is not None
    )


def _arm_curves(
    result: ArmResult, by_net: Mapping[int, Sequence[EpochRecord]], measured: Measured, factor: float
) -> ArmCurves:
    """Compute both curves of one arm and its best point."""
    records = [record for net in result.nets for record in by_net.get(net, ())]
    train = _curve(records, len(result.nets), f"train_{measured}", factor)
    validation = _curve(records, len(result.nets), f"validation_{measured}", factor)
    best_value = 0.0
    if validation.epochs:
        best_value = float(numpy.interp(result.median_best_epoch, validation.epochs, validation.median))
    return ArmCurves(result.arm, train, validation, result.median_best_epoch, best_value)


def _curve(records: Sequence[EpochRecord], nets: int, field: str, factor: float) -> Curve:
    """Compute median and band over the nets, for as long as half of them train."""
    by_epoch: dict[int, list[float]] = defaultdict(list)
    for record in records:
        by_epoch[record.epoch].append(factor * getattr(record, field))
    epochs = [epoch for epoch in sorted(by_epoch) if 2 * len(by_epoch[epoch]) >= nets]
    low_percentile, high_percentile = BAND_PERCENTILES
    percentiles = (50, low_percentile, high_percentile)
    columns = [_percentiles(by_epoch[epoch], percentiles) for epoch in epochs]
    median, low, high = zip(*columns, strict=True) if columns else ((), (), ())
    return Curve(tuple(epochs), median, low, high, tuple(len(by_epoch[epoch]) for epoch in epochs))


def _percentiles(values: Sequence[float], percentiles: Sequence[float]) -> list[float]:
    """Between values, or of those that are there where a net has diverged: nothing lies between a number and infinity."""
    finite = bool(numpy.isfinite(values).all())
    found = numpy.percentile(values, percentiles) if finite else numpy.percentile(values, percentiles, method="nearest")
    return [float(value) for value in found]


def _scaled(arm: str, interval: Interval, factor: float) -> ArmInterval:
    """Convert an interval to the unit it is shown in."""
    return ArmInterval(arm, factor * interval.mean, factor * interval.low, factor * interval.high)
