import pytest

from dropnorm.study.conclusions.advice import advise
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import ACCURACY, RMSE


@pytest.fixture
def advised(make_net, make_arm, around):
    """Advice on arms of these scores on validation, seed by seed, and of these differences to plain on test rows."""

    def advise_on(validation, differences=None, p=1.0, share=0.25, metric=ACCURACY, splits=None):
        nets, arms = [], []
        for index, (arm, scores) in enumerate(validation.items()):
            numbers = [10 * index + seed for seed in range(len(scores))]
            for seed, (net, score) in enumerate(zip(numbers, scores, strict=True)):
                nets.append(make_net(net, arm, seed, 0.3 if "dropout" in arm else 0.0, validation_score=score))
            difference = around((differences or {}).get(arm, 0.0))
            arms.append(make_arm(arm, nets=numbers, difference=difference, p=p, score=scores[0]))
        seeds = len(arms[0].nets)
        count = seeds if splits is None else splits
        # The share of test rows, which has no say here, is another.
        resampling = Resampling(splits=count, seeds=seeds // count, test_share=100.0, validation_share=share)
        return advise(arms, nets, metric, resampling)

    return advise_on


def test_an_arm_that_is_surely_ahead_is_advised(advised):
    got = advised({"plain": (0.80, 0.81, 0.80), "dropout": (0.90, 0.91, 0.91), "batch_norm": (0.7,) * 3})
    assert (got.arm, got.rate, got.units, got.case_of("dropout")) == ("dropout", 0.3, 3, "likely")
    assert [one.arm for one in got.evidence] == ["dropout", "batch_norm"]
    assert got.case_of("plain") is None


def test_plain_is_left_for_more_than_one_standard_error_only(advised):
    # Ahead by 0.01 on average; its standard error is sqrt((1 / 3 + 1 / 4) * 0.0003) = 0.0132.
    assert advised({"plain": (0.89, 0.91, 0.90), "dropout": (0.92, 0.90, 0.91)}).arm == "plain"
    # By 0.02, with an error of 0.0132, it is.
    assert advised({"plain": (0.88, 0.90, 0.89), "dropout": (0.92, 0.90, 0.91)}).arm == "dropout"


def test_a_noisier_arm_gets_in_less_easily(advised):
    # As far ahead of plain as the other, but not by its own standard error.
    steady, noisy = (0.91, 0.912, 0.911), (0.99, 0.83, 0.913)
    got = advised({"plain": (0.9,) * 3, "dropout": noisy, "batch_norm": steady})
    assert (got.arm, got.case_of("dropout")) == ("batch_norm", "not_shown")


def test_an_arm_that_is_behind_on_test_rows_is_not_advised(advised):
    scores = {"plain": (0.80, 0.81, 0.80), "dropout": (0.90, 0.91, 0.91), "batch_norm": (0.85, 0.86, 0.85)}
    got = advised(scores, {"dropout": -0.01})
    assert (got.arm, got.case_of("dropout")) == ("batch_norm", "not_shown")
    assert advised(scores, {"dropout": -0.01, "batch_norm": -0.01}).arm == "plain"
    assert advised(scores, {"dropout": -0.01}, p=0.001).case_of("dropout") == "harmful"


def test_of_several_arms_the_one_farthest_ahead_is_advised_and_of_equals_the_simplest(advised):
    scores = {"plain": (0.8, 0.8), "dropout": (0.9, 0.9), "batch_norm": (0.92, 0.92)}
    assert advised(scores).arm == "batch_norm"
    assert advised(scores | {"dropout": (0.92, 0.92)}).arm == "dropout"
    assert advised(dict.fromkeys(("plain", "dropout"), (0.9, 0.8))).arm == "plain"


def test_what_all_arms_owe_to_a_lucky_split_does_not_count(advised):
    # Seeds differ by 0.2, arms by 0.01 on every one of them.
    assert advised({"plain": (0.60, 0.80, 0.70), "dropout": (0.61, 0.81, 0.712)}).arm == "dropout"


def test_the_lowest_error_is_the_best(advised):
    errors = {"plain": (8.0, 8.1, 8.2), "dropout": (7.0, 7.1, 7.1), "batch_norm": (9.0,) * 3}
    assert advised(errors, metric=RMSE).arm == "dropout"
    assert advised({"plain": (7.1, 7.3, 7.0), "dropout": (7.0, 7.2, 7.3)}, metric=RMSE).arm == "plain"


def test_of_several_seeds_on_a_split_the_mean_counts(advised):
    # Ahead by 0.005 and 0.015 on the two splits, with an error of sqrt((1 / 2 + 0.3) * 0.00005) = 0.0063. As six splits of
    # their own the error would be sqrt((1 / 6 + 0.3) * 0.00022) = 0.0101.
    scores = {"plain": (0.88, 0.90, 0.89, 0.90, 0.90, 0.90), "dropout": (0.91, 0.89, 0.885, 0.915, 0.915, 0.915)}
    assert advised(scores, splits=2, share=0.3).arm == "dropout"
    assert advised(scores, splits=2, share=0.3).units == 2
    assert advised(scores, share=0.3).arm == "plain"
