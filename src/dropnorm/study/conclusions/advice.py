"""Which arm to use, and at which rate. Nothing here imports torch."""

from collections.abc import Sequence

from dropnorm.study.conclusions.evidence import find_evidence
from dropnorm.study.records import Advice, ArmResult, NetRecord
from dropnorm.study.statistics.choice import best_choice
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric


def advise(arms: Sequence[ArmResult], nets: Sequence[NetRecord], metric: Metric, resampling: Resampling) -> Advice:
    """Plain, unless an arm beats it on validation by more than one standard error and is not behind it on test rows.

    Of several such arms the one with the best mean on validation is advised (ties: the simplest, which comes first). The
    standard error is that of the paired difference to plain, so that what all arms owe to a lucky split does not count. The
    rate and the decay are those whose nets are best on validation on average over the seeds.
    Source:      the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, section 3.4.3, with plain as the model
                 that is left for a better one only.
    """
    evidence = find_evidence(arms, nets, metric, resampling)
    candidates = [one for one in evidence if one.ahead and one.case in ("shown", "likely")]
    advised = max(candidates, key=lambda one: one.lead).arm if candidates else "plain"
    rate, weight_decay = best_choice(nets, advised, metric)
    return Advice(arm=advised, rate=rate, weight_decay=weight_decay, units=resampling.units, evidence=evidence)
