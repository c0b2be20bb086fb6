"""What a study shows of each arm: the one table of cases, from which advice and words follow. Nothing here imports torch."""

from collections.abc import Sequence

from dropnorm.study.conclusions.significance import SIGNIFICANCE
from dropnorm.study.records import ArmEvidence, ArmResult, CaseName, NetRecord
from dropnorm.study.statistics.intervals import standard_error
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric


def find_evidence(
    arms: Sequence[ArmResult], nets: Sequence[NetRecord], metric: Metric, resampling: Resampling
) -> tuple[ArmEvidence, ...]:
    """The case of every arm but plain, which is the first of `arms`.

    shown:     surely better than plain on test rows: Holm-adjusted p below 0.05
    harmful:   surely worse
    likely:    neither, but ahead of plain on validation rows by more than one standard error of their paired difference,
               and not behind it on test rows
    not_shown: none of these
    A difference that is written as zero is none, in whatever direction and however sure.
    """
    plain, *others = arms
    written = metric.scale(plain.test_score.mean)
    validation = {net.net: net.validation_score for net in nets}
    found = []
    for arm in others:
        comparison = arm.comparison
        assert comparison is not None, "every arm but plain is compared"
        gains = [
            metric.gain(validation[own], validation[other]) for own, other in zip(arm.nets, plain.nets, strict=True)
        ]
        lead, error = sum(gains) / len(gains), standard_error(*resampling.validated(gains))
        change = metric.gain(comparison.interval.mean, 0.0)
        # Rounding of the last digits must not put an arm ahead of one that is the same.
        ahead = lead > error + 1e-12 and not written.is_nothing(lead)
        case: CaseName = "not_shown"
        if comparison.p_holm < SIGNIFICANCE and not written.is_nothing(change):
            case = "shown" if change > 0 else "harmful"
        elif ahead and (change >= 0 or written.is_nothing(change)):
            case = "likely"
        found.append(ArmEvidence(arm=arm.arm, case=case, lead=lead, standard_error=error, ahead=ahead))
    return tuple(found)
