"""Which net of an arm to keep."""

from collections.abc import Sequence

from dropnorm.study.records import ArmResult, NetRecord
from dropnorm.study.task import Metric


def best_net(arm: ArmResult, nets: Sequence[NetRecord], metric: Metric) -> NetRecord:
    """Of an arm's nets, one per seed, the best on validation."""
    chosen = [net for net in nets if net.net in arm.nets]
    return min(chosen, key=lambda net: (_rank(net, metric), net.seed))


def _rank(net: NetRecord, metric: Metric) -> float:
    """Of nets of several seeds the least is the best: their loss, since many have the same share of hits; of a quantity their
    score, since its loss is in the unit of each seed's own training part.
    """
    return net.validation_loss if metric.counted else -metric.gain(net.validation_score, 0.0)
