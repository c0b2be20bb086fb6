import pytest

from dropnorm.study.conclusions.recommendation import recommend
from dropnorm.study.records import ArmResult, EpochsToReach, Interval
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import ACCURACY, RMSE

ARMS = ("plain", "dropout", "batch_norm", "dropout+batch_norm")
WIDE = Interval(mean=0.0, low=-0.1, high=0.1)


def arm_result(arm, *, validation, nets) -> ArmResult:
    return ArmResult(
        arm=arm,
        nets=nets,
        rates=tuple(0.2 for _ in nets),
        weight_decays=tuple(0.0 for _ in nets),
        train_score=WIDE,
        test_score=WIDE,
        test_r2=None,
        test_loss=WIDE,
        calibration_error=None,
        validation_score=Interval(mean=validation, low=validation, high=validation),
        generalization_gap=WIDE,
        loss_gap=WIDE,
        median_best_epoch=3,
        epochs_to_plain_best=EpochsToReach(reached=0, of=2, median_epochs=None, median_steps=None),
        selection=None,
        comparisons=(),
    )


def recommended(make_net, validation, share=0.25, metric=ACCURACY, splits=None, **losses):
    """Recommend among arms of these validation accuracies, seed by seed; test accuracies say the opposite."""
    nets, arms = [], []
    for index, (arm, accuracies) in enumerate(validation.items()):
        numbers = tuple(10 * index + seed for seed in range(len(accuracies)))
        for seed, (net, accuracy) in enumerate(zip(numbers, accuracies, strict=True)):
            loss = losses.get(arm, [0.5] * len(accuracies))[seed]
            given = {"validation_score": accuracy, "validation_loss": loss, "test_score": 1 - accuracy}
            nets.append(make_net(net, arm, seed, 0.3 if "dropout" in arm else 0.0, **given))
        arms.append(arm_result(arm, validation=sum(accuracies) / len(accuracies), nets=numbers))
    seeds = len(arms[0].nets)
    splits = seeds if splits is None else splits
    # The share of test rows, which has no say, is another.
    resampling = Resampling(splits=splits, seeds=seeds // splits, test_share=100.0, validation_share=share)
    return recommend(arms, nets, metric, resampling)


def test_an_arm_that_is_surely_better_is_recommended(make_net):
    got = recommended(make_net, {"plain": (0.80, 0.81, 0.80), "dropout": (0.90, 0.91, 0.91), "batch_norm": (0.7,) * 3})
    assert (got.arm, got.best_arm, got.within_one_standard_error) == ("dropout", "dropout", ("dropout",))


def test_of_arms_within_one_standard_error_the_simplest_is_recommended(make_net):
    # Behind by 0.01 on average; its standard error is sqrt((1 / 3 + 1 / 4) * 0.0003) = 0.0132.
    got = recommended(make_net, {"plain": (0.89, 0.91, 0.90), "dropout": (0.92, 0.90, 0.91)})
    assert (got.arm, got.best_arm, got.within_one_standard_error) == ("plain", "dropout", ("plain", "dropout"))
    # By 0.02, with an error of 0.0132, it is outside.
    got = recommended(make_net, {"plain": (0.88, 0.90, 0.89), "dropout": (0.92, 0.90, 0.91)})
    assert (got.arm, got.within_one_standard_error) == ("dropout", ("dropout",))


def test_what_all_arms_owe_to_a_lucky_split_does_not_count(make_net):
    # Seeds differ by 0.2, arms by 0.01 on every one of them.
    got = recommended(make_net, {"plain": (0.60, 0.80, 0.70), "dropout": (0.61, 0.81, 0.712)})
    assert got.arm == "dropout"


def test_equal_arms_recommend_the_simplest(make_net):
    got = recommended(make_net, dict.fromkeys(ARMS, (0.9, 0.8)))
    assert (got.arm, got.best_arm, got.within_one_standard_error) == ("plain", "plain", ARMS)


def test_the_net_saved_is_its_arms_best_on_validation(make_net):
    validation = {"plain": (0.5, 0.5, 0.5), "dropout": (0.9, 0.92, 0.91)}
    got = recommended(make_net, validation, plain=[0.1] * 3, dropout=[0.3, 0.2, 0.4])
    assert (got.net, got.seed, got.rate, got.test_score) == (11, 1, 0.3, pytest.approx(0.08))
    assert recommended(make_net, validation, dropout=[0.3, 0.2, 0.2]).net == 11, "ties: the first seed"


def test_the_lowest_error_is_the_best(make_net):
    errors = {"plain": (8.0, 8.1, 8.2), "dropout": (7.0, 7.1, 7.1), "batch_norm": (9.0,) * 3}
    got = recommended(make_net, errors, metric=RMSE)
    assert (got.arm, got.best_arm, got.within_one_standard_error) == ("dropout", "dropout", ("dropout",))
    got = recommended(make_net, {"plain": (7.1, 7.3, 7.0), "dropout": (7.0, 7.2, 7.3)}, metric=RMSE)
    assert (got.arm, got.best_arm) == ("plain", "plain")


def test_nets_of_a_regression_are_compared_in_the_targets_unit(make_net):
    # Seed 0 has an outlier to learn from: its loss is small in units of a large deviation.
    got = recommended(make_net, {"plain": (5.0, 0.5)}, metric=RMSE, plain=[0.0025, 0.25])
    assert (got.net, got.seed) == (1, 1)


def test_of_several_seeds_on_a_split_the_mean_counts(make_net):
    # Behind by 0.005 and 0.015 on the two splits, with an error of sqrt((1 / 2 + 0.3) * 0.00005) = 0.0063. As six splits of
    # their own the error would be sqrt((1 / 6 + 0.3) * 0.00022) = 0.0101.
    plain, dropout = (0.88, 0.90, 0.89, 0.90, 0.90, 0.90), (0.91, 0.89, 0.885, 0.915, 0.915, 0.915)
    validation = {"plain": plain, "dropout": dropout}
    assert recommended(make_net, validation, splits=2, share=0.3).arm == "dropout"
    assert recommended(make_net, validation, share=0.3).arm == "plain"
