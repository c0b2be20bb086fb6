"""Which arm to use, and which of its nets to keep."""

from collections.abc import Sequence

from dropnorm.study.records import ArmResult, NetRecord, Recommendation
from dropnorm.study.statistics.intervals import standard_error
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric


def recommend(
    arms: Sequence[ArmResult], nets: Sequence[NetRecord], metric: Metric, resampling: Resampling
) -> Recommendation:
    """The simplest arm within one standard error of the best, by its score on validation, and its best net.

    The error is that of the paired difference, so that what all arms owe to a lucky split does not count. The scores on
    the test parts have no say. Source: the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, section 3.4.3.
    """
    by_net = {net.net: net for net in nets}
    validation = {arm.arm: [by_net[net].validation_score for net in arm.nets] for arm in arms}
    best = max(arms, key=lambda arm: metric.gain(arm.validation_score.mean, 0.0)).arm
    within = tuple(arm.arm for arm in arms if _is_within(validation[best], validation[arm.arm], metric, resampling))
    chosen = next(arm for arm in arms if arm.arm == within[0])
    net = best_net(chosen, nets, metric)
    return Recommendation(
        arm=chosen.arm,
        best_arm=best,
        within_one_standard_error=within,
        net=net.net,
        seed=net.seed,
        rate=net.rate,
        weight_decay=net.weight_decay,
        test_score=net.test_score,
    )


def best_net(arm: ArmResult, nets: Sequence[NetRecord], metric: Metric) -> NetRecord:
    """Of an arm's nets, one per seed, the best on validation."""
    chosen = [net for net in nets if net.net in arm.nets]
    return min(chosen, key=lambda net: (_rank(net, metric), net.seed))


def _rank(net: NetRecord, metric: Metric) -> float:
    """Of nets of several seeds the least is the best: their loss, since many have the same share of hits; of a quantity their
    score, since its loss is in the unit of each seed's own training part.
    """
    return net.validation_loss if metric.counted else -metric.gain(net.validation_score, 0.0)


def _is_within(best: Sequence[float], other: Sequence[float], metric: Metric, resampling: Resampling) -> bool:
    behind = [metric.gain(a, b) for a, b in zip(best, other, strict=True)]
    # The small allowance is for rounding: an arm is within zero standard errors of itself.
    return sum(behind) / len(behind) <= standard_error(*resampling.validated(behind)) + 1e-12
