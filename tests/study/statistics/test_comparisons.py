import pytest

from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.statistics.comparisons import compare_arms, interactions, paired
from dropnorm.study.statistics.intervals import bootstrap_interval, holm, interval, p_value
from dropnorm.study.statistics.power import needed_to_see
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import TASKS

CLASSES, QUANTITY = TASKS["classification"], TASKS["regression"]
COMPARED = ["test_score", "test_loss", "calibration_error", "generalization_gap"]

SEEDS = Resampling(splits=3, seeds=1, test_share=0.25, validation_share=1 / 3)


def test_arms_are_compared_with_plain_seed_by_seed_in_each_statistic(four_arms):
    got = compare_arms(four_arms, CLASSES, SEEDS, 0.0)
    assert got["plain"] == ()
    assert [one.statistic for one in got["dropout"]] == COMPARED
    expected = {
        "test_score": (0.01, 0.03, 0.02),
        "test_loss": (-0.1, -0.1, -0.1),
        "calibration_error": (0.05, 0.06, 0.07),
        "generalization_gap": (0.0, 0.0, 0.0),
    }
    for one in got["dropout"]:
        assert one.differences == pytest.approx(expected[one.statistic], abs=1e-12)
        assert one.interval == interval(one.differences, 0.25)
        assert one.bootstrap == bootstrap_interval(one.differences)
        assert one.power == needed_to_see(one.differences, 0.25)


def test_p_values_are_adjusted_over_the_arms_of_each_statistic(four_arms):
    got = compare_arms(four_arms, CLASSES, SEEDS, 0.0)
    for index, statistic in enumerate(COMPARED):
        others = [got[arm][index] for arm in four_arms if arm != "plain"]
        p_values = [p_value(one.differences, 0.25) for one in others]
        assert [one.p_value for one in others] == p_values, statistic
        assert [one.p_holm for one in others] == holm(p_values), statistic
    scores = [got[arm][0] for arm in four_arms if arm != "plain"]
    assert [one.p_value for one in scores] != [one.p_holm for one in scores]


def test_the_step_of_scores_counts_for_scores_and_gaps_alone(four_arms):
    fine, coarse = (compare_arms(four_arms, CLASSES, SEEDS, step)["dropout"] for step in (0.0, 0.5))
    for one, other in zip(fine, coarse, strict=True):
        assert (other.p_value > one.p_value) == (one.statistic == "test_score") or one.statistic == "generalization_gap"
        assert (other.interval.high > one.interval.high) == (one.statistic in ("test_score", "generalization_gap"))


def test_several_seeds_of_a_split_are_one_value_and_keep_their_dots(four_arms, make_net):
    arms = {
        "plain": [make_net(seed, seed=seed, test_score=0.5) for seed in range(4)],
        "dropout": [
            make_net(4 + seed, "dropout", seed, test_score=score) for seed, score in enumerate((0.6, 0.8, 0.5, 0.7))
        ],
    }
    two = Resampling(splits=2, seeds=2, test_share=0.25, validation_share=1 / 3)
    (score, *_) = compare_arms(arms, CLASSES, two, 0.0)["dropout"]
    assert score.differences == pytest.approx((0.1, 0.3, 0.0, 0.2))
    expected = interval([0.2, 0.1], 0.25)
    assert (score.interval.low, score.interval.high) == pytest.approx((expected.low, expected.high))


def test_an_error_keeps_its_sign_and_has_no_calibration(make_net):
    arms = {
        "plain": [make_net(seed, seed=seed, test_score=2.0 + seed, train_score=1.0) for seed in range(2)],
        "dropout": [make_net(2 + seed, "dropout", seed, test_score=1.5 + seed, train_score=1.0) for seed in range(2)],
    }
    got = {one.statistic: one for one in compare_arms(arms, QUANTITY, SEEDS, 0.0)["dropout"]}
    assert set(got) == {"test_score", "test_loss", "generalization_gap"}
    assert got["test_score"].differences == (-0.5, -0.5)
    assert got["generalization_gap"].differences == (-0.5, -0.5)


def test_pairs_must_be_whole(make_net):
    score = statistics_of(CLASSES)["test_score"]
    assert paired([make_net(0, test_score=0.75)], [make_net(1, test_score=0.5)], score) == [0.25]
    with pytest.raises(ValueError, match="shorter"):
        paired([make_net(0), make_net(1)], [make_net(2)], score)


def test_interaction_is_what_both_give_beyond_the_sum(four_arms):
    score, loss = interactions(four_arms, CLASSES, SEEDS)
    # (0.85 - 0.81) - (0.84 - 0.80) and so on
    expected = interval([0.0, 0.02, -0.01], 0.25)
    assert (score.statistic, loss.statistic) == ("test_score", "test_loss")
    assert (score.interval.mean, score.interval.low) == pytest.approx((expected.mean, expected.low))
    assert score.p_value == pytest.approx(p_value([0.0, 0.02, -0.01], 0.25))
    assert loss.interval.mean == pytest.approx(0.0)


def test_without_all_four_arms_there_is_no_interaction(four_arms):
    del four_arms["batch_norm"]
    assert interactions(four_arms, CLASSES, SEEDS) == ()


def test_a_net_that_has_diverged_is_no_evidence(four_arms):
    four_arms["dropout"][1] = four_arms["dropout"][1].model_copy(update={"test_loss": float("inf")})
    four_arms["plain"][1] = four_arms["plain"][1].model_copy(update={"test_loss": float("inf")})
    loss = compare_arms(four_arms, CLASSES, SEEDS)["dropout"][1]
    assert (loss.p_value, loss.p_holm, loss.power.needed) == (1.0, 1.0, None)
