"""Every arm's results over the seeds of a study."""

from collections.abc import Sequence

import numpy as np

from dropnorm.study.records import ArmName, ArmResult, EpochRecord, Interval, NetRecord
from dropnorm.study.statistics.catalogue import Statistic, statistics_of
from dropnorm.study.statistics.choice import choose_nets, selection_optimism
from dropnorm.study.statistics.comparisons import compare_arms
from dropnorm.study.statistics.intervals import interval_within
from dropnorm.study.statistics.reaching import epochs_to_reach
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Task


def summarize_arms(
    nets: Sequence[NetRecord],
    epochs: Sequence[EpochRecord],
    arms: Sequence[ArmName],
    task: Task,
    resampling: Resampling,
    steps_per_epoch: int,
    resolution: float = 0.0,
) -> tuple[ArmResult, ...]:
    """Every arm's results over the seeds, and its paired comparisons with plain."""
    chosen = {arm: choose_nets(nets, arm, task.metric) for arm in arms}
    comparisons = compare_arms(chosen, task, resampling, resolution)
    results = []
    for arm, own in chosen.items():
        measured = {
            statistic.name: interval_of(statistic, own, resampling, resolution)
            for statistic in statistics_of(task).values()
        }
        results += [
            ArmResult(
                arm=arm,
                nets=tuple(net.net for net in own),
                rates=tuple(net.rate for net in own),
                weight_decays=tuple(net.weight_decay for net in own),
                statistics={name: interval for name, interval in measured.items() if interval is not None},
                median_best_epoch=float(np.median([net.best_epoch for net in own])),
                epochs_to_plain_best=epochs_to_reach(own, chosen["plain"], epochs, steps_per_epoch),
                selection=selection_optimism(nets, arm, task.metric, resampling),
                comparisons=comparisons[arm],
            )
        ]
    return tuple(results)


def interval_of(
    statistic: Statistic, nets: Sequence[NetRecord], resampling: Resampling, resolution: float = 0.0
) -> Interval | None:
    """The mean of a statistic over nets, one per seed, with its interval within the bounds; None where not all have it."""
    known = [value for net in nets if (value := statistic.value(net)) is not None]
    if len(known) < len(nets):
        return None
    sample = resampling.sample(statistic, known, resolution)
    return interval_within(*sample, lowest=statistic.lowest, highest=statistic.highest)
