"""Every arm's results over the seeds of a study."""

from collections.abc import Callable, Sequence

import numpy as np

from dropnorm.study.records import ArmName, ArmResult, EpochRecord, Interval, NetRecord
from dropnorm.study.statistics.choice import choose_nets, selection_optimism
from dropnorm.study.statistics.comparisons import compare_arms
from dropnorm.study.statistics.intervals import interval_within
from dropnorm.study.statistics.reaching import epochs_to_reach
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric


def summarize_arms(
    nets: Sequence[NetRecord],
    epochs: Sequence[EpochRecord],
    arms: Sequence[ArmName],
    metric: Metric,
    resampling: Resampling,
    steps_per_epoch: int,
    resolution: float = 0.0,
) -> tuple[ArmResult, ...]:
    """Every arm's results over the seeds, and its paired comparisons with plain."""
    chosen = {arm: choose_nets(nets, arm) for arm in arms}
    comparisons = compare_arms(chosen, metric, resampling, resolution)
    results = []
    for arm in arms:
        mine = _Values(chosen[arm], resampling)
        results += [
            ArmResult(
                arm=arm,
                nets=tuple(net.net for net in chosen[arm]),
                rates=tuple(net.rate for net in chosen[arm]),
                weight_decays=tuple(net.weight_decay for net in chosen[arm]),
                train_score=mine.within(lambda net: net.train_score, 0.0, metric.highest),
                test_score=mine.within(lambda net: net.test_score, 0.0, metric.highest, resolution),
                test_r2=mine.known(lambda net: net.test_r2, -np.inf),
                test_loss=mine.within(lambda net: net.test_loss, 0.0),
                calibration_error=mine.known(lambda net: net.calibration_error, 0.0),
                validation_score=mine.validated(lambda net: net.validation_score, metric.highest),
                generalization_gap=mine.within(
                    lambda net: metric.gain(net.train_score, net.test_score), resolution=resolution
                ),
                loss_gap=mine.within(lambda net: net.test_loss - net.train_loss),
                median_best_epoch=float(np.median([net.best_epoch for net in chosen[arm]])),
                epochs_to_plain_best=epochs_to_reach(chosen[arm], chosen["plain"], epochs, steps_per_epoch),
                selection=selection_optimism(nets, arm, metric, resampling),
                comparisons=comparisons[arm],
            )
        ]
    return tuple(results)


class _Values:
    """What an arm's chosen nets came to, as intervals."""

    def __init__(self, nets: Sequence[NetRecord], resampling: Resampling) -> None:
        self.nets, self.resampling = nets, resampling

    def within(
        self,
        of: Callable[[NetRecord], float],
        lowest: float = -np.inf,
        highest: float = np.inf,
        resolution: float = 0.0,
    ) -> Interval:
        """Of what is measured on test parts, in steps of the resolution, between two bounds."""
        values = self.resampling.tested([of(net) for net in self.nets], resolution)
        return interval_within(*values, lowest=lowest, highest=highest)

    def known(self, of: Callable[[NetRecord], float | None], lowest: float) -> Interval | None:
        """Of what is at most 1 and not measured in every task."""
        values = [value for net in self.nets if (value := of(net)) is not None]
        return interval_within(*self.resampling.tested(values), lowest=lowest, highest=1.0) if values else None

    def validated(self, of: Callable[[NetRecord], float], highest: float) -> Interval:
        """Of scores on validation parts."""
        values = [of(net) for net in self.nets]
        return interval_within(*self.resampling.validated(values), lowest=0.0, highest=highest)
