"""From finished nets to intervals and tests: paired by seed, corrected for overlapping splits, Holm-adjusted."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from dropnorm.study.records import (
    ArmName,
    ArmResult,
    Comparison,
    EpochRecord,
    EpochsToReach,
    Interaction,
    Interval,
    NetRecord,
)
from dropnorm.study.task import Metric

CONFIDENCE = 0.95


def standard_error(values: Sequence[float], test_share: float, resolution: float = 0.0) -> float:
    """Standard error of the mean over seeds, corrected for splits that overlap.

    Equation:    sqrt((1 / n + test / train) * variance), variance with n - 1. Scores of splits of the same data are
                 correlated; the plain 1 / n would find differences where there are none.
    Args:        values: one per seed; test_share: rows for testing over all other rows, which training and the choices
                 on validation use; resolution: the step of the scores whose difference a value is, such as
                 1 / rows tested. The variance is at least that of rounding two scores to such steps, resolution^2 / 6:
                 a few seeds that happen to differ by the same count do not make a difference sure.
    Source:      Nadeau & Bengio 2003, "Inference for the generalization error", Machine Learning 52, equation 9.
    """
    variance = max(float(np.var(values, ddof=1)), resolution**2 / 6)
    return float(np.sqrt((1.0 / len(values) + test_share) * variance))


def interval(values: Sequence[float], test_share: float, resolution: float = 0.0) -> Interval:
    """The mean over seeds with its 95 % interval, by Student's t with n - 1 degrees of freedom."""
    mean = float(np.mean(values))
    error = standard_error(values, test_share, resolution)
    reach = error * float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1))
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def score_interval(values: Sequence[float], test_share: float, highest: float) -> Interval:
    """`interval` of scores from 0 to `highest`: what lies outside cannot be and is cut off."""
    free = interval(values, test_share)
    return Interval(mean=free.mean, low=max(0.0, free.low), high=min(highest, free.high))


def p_value(values: Sequence[float], test_share: float, resolution: float = 0.0) -> float:
    """Two-sided p of the hypothesis that the mean is zero: the corrected resampled t-test; for resolution see there."""
    mean, error = float(np.mean(values)), standard_error(values, test_share, resolution)
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, len(values) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false finding at its level (Holm 1979)."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def choose_nets(nets: Sequence[NetRecord], arm: ArmName) -> list[NetRecord]:
    """For each seed the arm's net that was best on that seed's own validation part (ties: the smaller rate and decay)."""
    by_seed: dict[int, list[NetRecord]] = {}
    for net in nets:
        if net.arm == arm:
            by_seed.setdefault(net.seed, []).append(net)
    return [
        min(by_seed[seed], key=lambda net: (net.validation_loss, net.rate, net.weight_decay))
        for seed in sorted(by_seed)
    ]


def summarize_arms(
    nets: Sequence[NetRecord],
    epochs: Sequence[EpochRecord],
    arms: Sequence[ArmName],
    metric: Metric,
    test_share: float,
    steps_per_epoch: int,
    resolution: float = 0.0,
) -> tuple[ArmResult, ...]:
    """Every arm's results over the seeds, and its paired comparison with plain."""
    chosen = {arm: choose_nets(nets, arm) for arm in arms}
    differences = {arm: paired(chosen[arm], chosen["plain"]) for arm in arms if arm != "plain"}
    p_values = [p_value(values, test_share, resolution) for values in differences.values()]
    comparisons: dict[ArmName, Comparison] = {
        arm: Comparison(
            differences=tuple(values),
            interval=interval(values, test_share, resolution),
            p_value=p_values[index],
            p_holm=adjusted,
        )
        for index, ((arm, values), adjusted) in enumerate(zip(differences.items(), holm(p_values), strict=True))
    }
    return tuple(
        ArmResult(
            arm=arm,
            nets=tuple(net.net for net in chosen[arm]),
            rates=tuple(net.rate for net in chosen[arm]),
            weight_decays=tuple(net.weight_decay for net in chosen[arm]),
            test_score=score_interval([net.test_score for net in chosen[arm]], test_share, metric.highest),
            test_r2=_r2_interval(chosen[arm], test_share),
            test_loss=interval([net.test_loss for net in chosen[arm]], test_share),
            validation_score=score_interval([net.validation_score for net in chosen[arm]], test_share, metric.highest),
            generalization_gap=interval(
                [metric.gain(net.train_score, net.test_score) for net in chosen[arm]], test_share
            ),
            loss_gap=interval([net.test_loss - net.train_loss for net in chosen[arm]], test_share),
            median_best_epoch=float(np.median([net.best_epoch for net in chosen[arm]])),
            epochs_to_plain_best=epochs_to_reach(chosen[arm], chosen["plain"], epochs, steps_per_epoch),
            comparison=comparisons.get(arm),
        )
        for arm in arms
    )


def _r2_interval(nets: Sequence[NetRecord], test_share: float) -> Interval | None:
    """The interval of the explained share of the variance, which is at most 1; None for classes."""
    values = [net.test_r2 for net in nets if net.test_r2 is not None]
    if not values:
        return None
    free = interval(values, test_share)
    return Interval(mean=free.mean, low=free.low, high=min(1.0, free.high))


def paired(nets: Sequence[NetRecord], plain: Sequence[NetRecord]) -> list[float]:
    """Differences of test scores, seed by seed."""
    return [net.test_score - other.test_score for net, other in zip(nets, plain, strict=True)]


def interaction(
    nets: Sequence[NetRecord], arms: Sequence[ArmName], test_share: float, resolution: float = 0.0
) -> Interaction | None:
    """Whether dropout and batch norm do more, or less, together than the sum of what each does alone."""
    if not {"plain", "dropout", "batch_norm", "dropout+batch_norm"} <= set(arms):
        return None
    score = {arm: np.array([net.test_score for net in choose_nets(nets, arm)]) for arm in arms}
    alone = score["dropout"] + score["batch_norm"]
    values = (score["dropout+batch_norm"] + score["plain"] - alone).tolist()
    return Interaction(
        interval=interval(values, test_share, resolution),
        p_value=p_value(values, test_share, resolution),
    )


def epochs_to_reach(
    nets: Sequence[NetRecord], plain: Sequence[NetRecord], epochs: Sequence[EpochRecord], steps_per_epoch: int
) -> EpochsToReach:
    """The first epoch at which each net's validation loss was at most the best of plain's net of the same seed."""
    losses: dict[int, list[tuple[int, float]]] = {}
    for record in epochs:
        losses.setdefault(record.net, []).append((record.epoch, record.validation_loss))
    first = []
    for net, other in zip(nets, plain, strict=True):
        goal = min(loss for _, loss in losses[other.net])
        first += [next((epoch for epoch, loss in losses[net.net] if loss <= goal < np.inf), None)]
    reached = [epoch for epoch in first if epoch is not None]
    # Over all seeds, with those that never got there as infinity, so that a median of the lucky ones is not shown.
    median = float(np.median([np.inf if epoch is None else epoch for epoch in first]))
    known = median if np.isfinite(median) else None
    return EpochsToReach(
        reached=len(reached),
        of=len(first),
        median_epochs=known,
        median_steps=None if known is None else known * steps_per_epoch,
    )
