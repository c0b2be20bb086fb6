"""Which of an arm's nets it is judged by, and how much that choice flatters them."""

import math
from collections.abc import Sequence

import numpy as np

from dropnorm.study.records import ArmName, NetRecord, SelectionOptimism
from dropnorm.study.statistics.intervals import interval
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric


def choose_nets(nets: Sequence[NetRecord], arm: ArmName, metric: Metric) -> list[NetRecord]:
    """For each seed the arm's net that was best on that seed's own validation part (ties: the smaller rate and decay)."""
    by_seed = _by_seed(nets, arm)
    return [
        min(by_seed[seed], key=lambda net: (_rank(net, metric), net.rate, net.weight_decay)) for seed in sorted(by_seed)
    ]


def best_choice(nets: Sequence[NetRecord], arm: ArmName, metric: Metric) -> tuple[float, float]:
    """The rate and the decay of an arm whose nets are best on validation on average over the seeds (ties: the smaller)."""
    by_choice: dict[tuple[float, float], list[float]] = {}
    for net in nets:
        if net.arm == arm:
            by_choice.setdefault((net.rate, net.weight_decay), []).append(_rank(net, metric))
    return min(by_choice, key=lambda choice: (float(np.mean(by_choice[choice])), choice))


def nets_of_choice(nets: Sequence[NetRecord], arm: ArmName, choice: tuple[float, float]) -> list[NetRecord]:
    """An arm's nets of one rate and decay, one net per seed in the seeds' order."""
    chosen = [net for net in nets if net.arm == arm and (net.rate, net.weight_decay) == choice]
    return sorted(chosen, key=lambda net: net.seed)


def selection_optimism(
    nets: Sequence[NetRecord], arm: ArmName, metric: Metric, resampling: Resampling
) -> SelectionOptimism | None:
    """By how much more the nets of chosen rates or decays do better on validation than on test rows, than those of a fixed one.

    Equation:    E[validation - test of the chosen net] - E[validation - test of a net of the grid], in the metric's gain.
                 The epoch, which every net chooses on validation, is in both terms and falls out.
    """
    by_seed = _by_seed(nets, arm)
    if min(map(len, by_seed.values())) < 2:
        return None
    chosen = [metric.gain(net.validation_score, net.test_score) for net in choose_nets(nets, arm, metric)]
    fixed = [
        float(np.mean([metric.gain(net.validation_score, net.test_score) for net in by_seed[seed]]))
        for seed in sorted(by_seed)
    ]
    optimism = [one - other for one, other in zip(chosen, fixed, strict=True)]
    return SelectionOptimism(
        chosen=interval(*resampling.tested(chosen)),
        fixed=interval(*resampling.tested(fixed)),
        optimism=interval(*resampling.tested(optimism)),
    )


def _rank(net: NetRecord, metric: Metric) -> float:
    """What is lower of a better net, on validation: the score in the metric, turned round where higher is better.

    Where scores are shares of hits, which many nets have in common, it is the loss. Nowhere else: the loss of a quantity is in
    the unit of each seed's own training part. A score that the rows do not define is the last.
    """
    rank = net.validation_loss if metric.counted else -metric.gain(net.validation_score, 0.0)
    return math.inf if math.isnan(rank) else rank


def _by_seed(nets: Sequence[NetRecord], arm: ArmName) -> dict[int, list[NetRecord]]:
    by_seed: dict[int, list[NetRecord]] = {}
    for net in nets:
        if net.arm == arm:
            by_seed.setdefault(net.seed, []).append(net)
    return by_seed
