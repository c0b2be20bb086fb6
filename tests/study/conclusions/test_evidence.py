import pytest

from dropnorm.study.conclusions.evidence import find_evidence
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import ACCURACY, RMSE


@pytest.fixture
def evidence(make_net, make_arm, around):
    """What is shown of dropout, from its gains on validation, seed by seed, and its difference on test rows."""

    def find(gains, difference, p, *, metric=ACCURACY, score=0.9, share=0.25):
        sign = 1 if metric is ACCURACY else -1
        plain = [make_net(seed, "plain", seed, validation_score=score) for seed in range(len(gains))]
        own = [
            make_net(10 + seed, "dropout", seed, 0.3, validation_score=score + sign * gain)
            for seed, gain in enumerate(gains)
        ]
        arms = (
            make_arm("plain", score=score, nets=[net.net for net in plain]),
            make_arm("dropout", nets=[net.net for net in own], difference=around(difference), p=p),
        )
        resampling = Resampling(splits=len(gains), seeds=1, test_share=100.0, validation_share=share)
        (found,) = find_evidence(arms, [*plain, *own], metric, resampling)
        return found

    return find


AHEAD, BEHIND = (0.02, 0.03, 0.02), (-0.02, -0.03, -0.02)


@pytest.mark.parametrize(
    ("gains", "difference", "p", "case", "ahead"),
    [
        (AHEAD, 0.02, 0.049, "shown", True),
        (BEHIND, 0.02, 0.049, "shown", False),
        (AHEAD, -0.02, 0.049, "harmful", True),
        (AHEAD, 0.02, 0.05, "likely", True),
        (AHEAD, -0.0004, 0.05, "likely", True),  # is written as zero: not behind
        (AHEAD, 0.0004, 0.001, "likely", True),  # however sure, it is nothing
        (AHEAD, -0.0006, 0.05, "not_shown", True),
        (BEHIND, 0.02, 0.05, "not_shown", False),
        ((0.02, -0.02, 0.03), 0.02, 0.05, "not_shown", False),
        ((0.0004,) * 3, 0.02, 0.05, "not_shown", False),  # a lead that is written as zero is none
        ((0.0,) * 3, 0.0, 1.0, "not_shown", False),
    ],
)
def test_the_case_of_an_arm(gains, difference, p, case, ahead, evidence):
    found = evidence(gains, difference, p)
    assert (found.arm, found.case, found.ahead) == ("dropout", case, ahead)
    assert found.lead == pytest.approx(sum(gains) / 3)


def test_lower_errors_are_better(evidence):
    assert evidence((2.0, 3.0, 2.0), -2.0, 0.01, metric=RMSE, score=50.0).case == "shown"
    assert evidence((2.0, 3.0, 2.0), 2.0, 0.01, metric=RMSE, score=50.0).case == "harmful"
    assert evidence((2.0, 3.0, 2.0), -2.0, 0.06, metric=RMSE, score=50.0).case == "likely"


def test_the_standard_error_is_that_of_the_paired_difference_corrected_for_overlap(evidence):
    found = evidence((0.03, -0.01, 0.01), 0.02, 0.5)
    # The variance is 0.0004; sqrt((1 / 3 + 1 / 4) * 0.0004) = 0.0153.
    assert found.standard_error == pytest.approx(0.015275, abs=1e-6)
    assert not found.ahead
    assert evidence((0.03, 0.0, 0.02), 0.02, 0.5).ahead


def test_nets_that_have_diverged_are_not_ahead(evidence):
    found = evidence((float("-inf"), 1.0, 1.0), float("inf"), 1.0, metric=RMSE, score=50.0)
    assert (found.case, found.ahead) == ("not_shown", False)
