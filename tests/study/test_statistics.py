import numpy as np
import pytest
from scipy import stats

from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.records import EpochsToReach, Interval
from dropnorm.study.statistics import (
    choose_nets,
    epochs_to_reach,
    holm,
    interaction,
    interval,
    p_value,
    paired,
    score_interval,
    standard_error,
    summarize_arms,
)
from dropnorm.study.task import ACCURACY, RMSE

VALUES = [0.02, -0.01, 0.03, 0.015, 0.0]


def test_without_overlap_the_test_is_students():
    expected = stats.ttest_1samp(VALUES, 0.0)
    confidence = expected.confidence_interval(0.95)
    assert p_value(VALUES, 0.0) == pytest.approx(expected.pvalue)
    got = interval(VALUES, 0.0)
    assert (got.mean, got.low, got.high) == pytest.approx((np.mean(VALUES), confidence.low, confidence.high))


def test_overlap_is_corrected_for_as_nadeau_and_bengio_do():
    # Mean 3 and variance 10 of these five; with a quarter as much for testing: 10 * (1 / 5 + 1 / 4) = 4.5.
    values = [-1.0, 1.0, 3.0, 5.0, 7.0]
    assert standard_error(values, 0.25) == pytest.approx(4.5**0.5)
    # t of 4 degrees of freedom at 97.5 %, from a printed table
    assert interval(values, 0.25).high == pytest.approx(3 + 2.776445 * 4.5**0.5)
    assert interval(values, 0.25).low == pytest.approx(3 - 2.776445 * 4.5**0.5)
    assert p_value(values, 0.25) == pytest.approx(2 * stats.t.sf(3 / 4.5**0.5, 4))


def test_the_sign_of_the_mean_has_no_say_in_p():
    assert p_value([-value for value in VALUES], 0.25) == pytest.approx(p_value(VALUES, 0.25))


@pytest.mark.parametrize("test_share", [0.0, 0.25])
def test_intervals_cover_and_tests_reject_as_often_as_they_say(test_share):
    """Of scores with the correlation that the correction assumes, test_share / (1 + test_share), it is exact.

    4000 repetitions with a fixed seed; a bound of five standard errors, a false alarm below 1e-6.
    """
    repetitions, correlation = 4000, test_share / (1 + test_share)
    rng = np.random.default_rng(7)
    scores = correlation**0.5 * rng.standard_normal((repetitions, 1))
    scores = scores + (1 - correlation) ** 0.5 * rng.standard_normal((repetitions, 5))
    covered = np.mean([interval(row, test_share).low <= 0 <= interval(row, test_share).high for row in scores])
    rejected = np.mean([p_value(row, test_share) < 0.05 for row in scores])
    bound = 5 * (0.95 * 0.05 / repetitions) ** 0.5
    assert abs(covered - 0.95) < bound
    assert abs(rejected - 0.05) < bound


def test_differences_that_are_all_the_same_are_judged_by_the_step_of_their_scores():
    step = 1 / 30
    assert p_value([0.0] * 5, 0.25, step) == 1.0
    # Two seeds that both differ by two rows of thirty: t = 2 / sqrt(0.75 / 6), with one degree of freedom
    same = [29 / 30 - 27 / 30, 28 / 30 - 26 / 30]
    assert p_value(same, 0.25, step) == pytest.approx(2 * stats.t.sf(2 / (0.75 / 6) ** 0.5, 1))
    reach = step * (0.75 / 6) ** 0.5 * stats.t.ppf(0.975, 1)
    got = interval(same, 0.25, step)
    assert (got.low, got.high) == pytest.approx((2 * step - reach, 2 * step + reach))
    assert (p_value(same, 0.25, step) < 0.05) == (got.low > 0)


def test_the_step_matters_only_where_differences_vary_less_than_rounding_does():
    assert p_value(VALUES, 0.25, 1e-9) == p_value(VALUES, 0.25)
    assert interval(VALUES, 0.25, 1e-9) == interval(VALUES, 0.25)


def test_without_a_step_equal_values_have_an_interval_without_width():
    assert p_value([0.0] * 3, 0.25) == 1.0
    assert p_value([0.5] * 3, 0.25) == 0.0
    assert interval([0.5] * 3, 0.25) == Interval(mean=0.5, low=0.5, high=0.5)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.01]) == pytest.approx([0.04, 0.02])
    assert holm([0.5, 0.9, 0.4]) == [1.0, 1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_each_seed_takes_the_rate_that_is_best_on_its_own_validation_part(make_net):
    nets = [
        make_net(0, "dropout", 1, 0.1, validation_loss=0.5, test_score=0.9),
        make_net(1, "dropout", 1, 0.3, validation_loss=0.4, test_score=0.1),
        make_net(2, "dropout", 0, 0.1, validation_loss=0.2),
        make_net(3, "dropout", 0, 0.3, validation_loss=0.3),
        make_net(4, "plain", 0, 0.0, validation_loss=0.1),
    ]
    assert [net.net for net in choose_nets(nets, "dropout")] == [2, 1]


def test_of_rates_that_are_equally_good_the_smaller_is_taken(make_net):
    nets = [make_net(0, "dropout", 0, 0.5), make_net(1, "dropout", 0, 0.1), make_net(2, "dropout", 0, 0.3)]
    assert [net.rate for net in choose_nets(nets, "dropout")] == [0.1]


def four_arms(make_net, accuracies):
    """Nets of the four arms: accuracies[arm][seed] on test, training 0.1 above."""
    return [
        make_net(
            10 * index + seed,
            arm,
            seed,
            0.2 if "dropout" in arm else 0.0,
            test_score=accuracy,
            train_score=accuracy + 0.1,
            test_loss=0.7,
            train_loss=0.5 - 0.1 * seed,
            validation_score=0.6 + 0.1 * seed,
            best_epoch=4 + 2 * seed,
        )
        for index, arm in enumerate(ARMS)
        for seed, accuracy in enumerate(accuracies[arm])
    ]


ACCURACIES = {
    "plain": (0.80, 0.82, 0.78),
    "dropout": (0.81, 0.85, 0.80),
    "batch_norm": (0.84, 0.85, 0.85),
    "dropout+batch_norm": (0.85, 0.90, 0.86),
}


def test_arms_are_compared_with_plain_seed_by_seed(make_net, make_history):
    nets = four_arms(make_net, ACCURACIES)
    epochs = [record for net in nets for record in make_history(net.net, [0.5, 0.4])]
    plain, dropout, batch_norm, both = summarize_arms(nets, epochs, ARMS, ACCURACY, 0.25, 10)
    assert plain.comparison is None
    assert dropout.comparison.differences == pytest.approx((0.01, 0.03, 0.02))
    assert batch_norm.comparison.differences == pytest.approx((0.04, 0.03, 0.07))
    assert dropout.comparison.interval == interval(dropout.comparison.differences, 0.25)
    p_values = [arm.comparison.p_value for arm in (dropout, batch_norm, both)]
    assert p_values == [p_value(arm.comparison.differences, 0.25) for arm in (dropout, batch_norm, both)]
    assert [arm.comparison.p_holm for arm in (dropout, batch_norm, both)] == holm(p_values)
    assert p_values != holm(p_values)


def test_an_arm_is_summed_up_over_its_seeds(make_net, make_history):
    nets = four_arms(make_net, ACCURACIES)
    epochs = [record for net in nets for record in make_history(net.net, [0.5, 0.4])]
    result = summarize_arms(nets, epochs, ARMS, ACCURACY, 0.25, 10)[1]
    assert (result.arm, result.nets, result.rates) == ("dropout", (10, 11, 12), (0.2, 0.2, 0.2))
    assert result.test_score == interval([0.81, 0.85, 0.80], 0.25)
    assert result.test_score.mean == pytest.approx(0.82)
    assert result.generalization_gap.mean == pytest.approx(0.1)
    assert result.loss_gap.mean == pytest.approx(0.3)
    assert result.loss_gap.high > result.loss_gap.mean
    assert result.test_loss.mean == pytest.approx(0.7)
    assert result.validation_score.mean == pytest.approx(0.7)
    assert result.median_best_epoch == 6.0
    assert result.epochs_to_plain_best == EpochsToReach(reached=3, of=3, median_epochs=2, median_steps=20)


def test_interaction_is_what_both_give_beyond_the_sum(make_net):
    nets = four_arms(make_net, ACCURACIES)
    # (0.85 - 0.81) - (0.84 - 0.80) and so on
    expected = [0.0, 0.02, -0.01]
    got = interaction(nets, ARMS, 0.25)
    assert got.interval.mean == pytest.approx(np.mean(expected))
    assert (got.interval.low, got.interval.high) == pytest.approx(
        (interval(expected, 0.25).low, interval(expected, 0.25).high)
    )
    assert got.p_value == pytest.approx(p_value(expected, 0.25))
    assert interaction(nets, ARMS[:3], 0.25) is None


def test_pairs_must_be_whole(make_net):
    assert paired([make_net(0, test_score=0.75)], [make_net(1, test_score=0.5)]) == [0.25]
    with pytest.raises(ValueError, match="shorter"):
        paired([make_net(0), make_net(1)], [make_net(2)])


def reach(make_net, make_history, plain, arm):
    """Epochs to reach, from the validation losses of plain's and an arm's net, seed by seed."""
    nets = [make_net(10 + seed, "dropout", seed) for seed in range(len(arm))]
    others = [make_net(seed, "plain", seed) for seed in range(len(plain))]
    epochs = [record for net, losses in zip(others, plain, strict=True) for record in make_history(net.net, losses)]
    epochs += [record for net, losses in zip(nets, arm, strict=True) for record in make_history(net.net, losses)]
    return epochs_to_reach(nets, others, epochs, 7)


def test_the_first_epoch_that_is_as_good_as_plains_best_of_the_same_seed(make_net, make_history):
    plain = [[0.9, 0.5, 0.6], [0.9, 0.8, 0.2]]
    arm = [[0.7, 0.6, 0.5, 0.4], [0.5, 0.1, 0.9]]
    assert reach(make_net, make_history, plain, arm) == EpochsToReach(
        reached=2, of=2, median_epochs=2.5, median_steps=17.5
    )


def test_a_median_that_most_did_not_reach_is_unknown(make_net, make_history):
    plain = [[0.5]] * 3
    assert reach(make_net, make_history, plain, [[0.4], [0.6], [0.6, 0.5]]) == EpochsToReach(
        reached=2, of=3, median_epochs=2, median_steps=14
    )
    assert reach(make_net, make_history, plain, [[0.4], [0.6], [0.7]]) == EpochsToReach(
        reached=1, of=3, median_epochs=None, median_steps=None
    )
    assert reach(make_net, make_history, plain[:2], [[0.4], [0.6]]).median_epochs is None
    assert reach(make_net, make_history, plain[:1], [[0.6]]).reached == 0


def test_plain_reaches_itself_at_its_best_epoch(make_net, make_history):
    nets = [make_net(0)]
    assert epochs_to_reach(nets, nets, make_history(0, [0.5, 0.3, 0.4, 0.3]), 1).median_epochs == 2


def test_a_plain_net_that_never_got_anywhere_is_no_goal(make_net, make_history):
    infinite = float("inf")
    got = reach(make_net, make_history, [[infinite, infinite]], [[infinite, 0.5]])
    assert (got.reached, got.median_epochs) == (0, None)


def test_an_interval_of_scores_ends_where_scores_do():
    wide = score_interval([0.9, 1.0], 0.25, 1.0)
    assert (wide.high, wide.low) == (1.0, interval([0.9, 1.0], 0.25).low)
    assert score_interval([0.0, 0.1], 0.25, 1.0).low == 0.0
    narrow = [0.50, 0.51, 0.49]
    assert score_interval(narrow, 0.25, 1.0) == interval(narrow, 0.25)
    assert score_interval([2.0, 3.0], 0.25, float("inf")).high == interval([2.0, 3.0], 0.25).high


def test_an_error_has_its_gap_and_its_explained_variance(make_net, make_history):
    """Of an RMSE, the gap is by how much it is larger on test rows, and differences keep their sign."""
    scores = {"plain": (2.0, 2.2), "dropout": (1.5, 1.9)}
    nets = [
        make_net(
            10 * index + seed,
            arm,
            seed,
            test_score=score,
            train_score=score - 0.5 * (1 + index),
            test_r2=0.9 - 0.1 * seed,
        )
        for index, (arm, values) in enumerate(scores.items())
        for seed, score in enumerate(values)
    ]
    epochs = [record for net in nets for record in make_history(net.net, [0.5])]
    plain, dropout = summarize_arms(nets, epochs, ("plain", "dropout"), RMSE, 0.25, 10)
    assert (plain.generalization_gap.mean, dropout.generalization_gap.mean) == pytest.approx((0.5, 1.0))
    assert dropout.comparison.differences == pytest.approx((-0.5, -0.3))
    assert plain.test_score.high > 2.2
    assert plain.test_r2.mean == pytest.approx(0.85)
    assert plain.test_r2.high == 1.0
    assert plain.test_r2.low == pytest.approx(interval([0.9, 0.8], 0.25).low)


def test_classes_have_no_variance_to_be_explained(make_net, make_history):
    nets = [make_net(0), make_net(1, seed=1)]
    epochs = [record for net in nets for record in make_history(net.net, [0.5])]
    assert summarize_arms(nets, epochs, ("plain",), ACCURACY, 0.25, 10)[0].test_r2 is None
