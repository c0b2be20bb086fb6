import pytest

from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.records import ArmResult, Comparison, EpochsToReach, Interaction, Interval, Recommendation
from dropnorm.study.task import ACCURACY, RMSE, TASKS
from dropnorm.study.verdict import overfits, recommend, write_verdict

WIDE = Interval(mean=0.0, low=-0.1, high=0.1)


def around(mean: float, reach: float = 0.01) -> Interval:
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def arm_result(arm, *, difference=WIDE, p=1.0, gap=WIDE, accuracy=0.9, validation=0.9, nets=()) -> ArmResult:
    return ArmResult(
        arm=arm,
        nets=nets,
        rates=tuple(0.2 for _ in nets),
        weight_decays=(),
        test_score=around(accuracy),
        test_r2=None,
        test_loss=WIDE,
        validation_score=around(validation),
        generalization_gap=gap,
        loss_gap=WIDE,
        median_best_epoch=3,
        epochs_to_plain_best=EpochsToReach(reached=0, of=2, median_epochs=None, median_steps=None),
        comparison=None
        if arm == "plain"
        else Comparison(differences=(0.0, 0.0), interval=difference, p_value=p / 3, p_holm=p),
    )


def recommendation(arm="plain", best="plain", rate=0.0, accuracy=0.9) -> Recommendation:
    return Recommendation(
        arm=arm, best_arm=best, within_one_standard_error=(arm,), net=0, seed=0, rate=rate, test_score=accuracy
    )


def verdict(*arms, interaction=None, recommended=None, task="classification"):
    return write_verdict(TASKS[task], arms, interaction, recommended or recommendation())


@pytest.mark.parametrize(
    ("gap", "accuracy", "sentence"),
    [
        (
            around(0.04),
            0.951,
            "The plain net overfits: it is right on 99.1 % of its training rows and on 95.1 % of new ones, a gap of 4.0 "
            "points (95 % interval 3.0 to 5.0).",
        ),
        (
            around(0.004, 0.001),
            0.99,
            "The plain net overfits slightly: it is right on 99.4 % of its training rows and on 99.0 % of new ones, a gap "
            "of 0.4 points (95 % interval 0.3 to 0.5).",
        ),
        (
            around(0.02, 0.03),
            0.9,
            "There is no evidence that the plain net overfits: it is right on 92.0 % of its training rows and on 90.0 % of "
            "new ones, a gap of 2.0 points (95 % interval −1.0 to 5.0).",
        ),
        (
            around(-0.044, 0.03),
            0.35,
            "There is no evidence that the plain net overfits: it is right on 30.6 % of its training rows and on 35.0 % of "
            "new ones, a gap of −4.4 points (95 % interval −7.4 to −1.4).",
        ),
    ],
)
def test_overfitting_is_a_gap_whose_interval_is_above_zero(gap, accuracy, sentence):
    plain = arm_result("plain", gap=gap, accuracy=accuracy)
    assert verdict(plain, arm_result("dropout"))[0] == sentence
    assert overfits(plain) == (gap.low > 0)


def test_a_gap_that_just_touches_zero_is_no_evidence():
    assert not overfits(arm_result("plain", gap=Interval(mean=0.1, low=0.0, high=0.2)))


def on_arms(*arms):
    return verdict(arm_result("plain"), *arms)[1]


def test_what_helps_and_what_harms_is_said_with_its_size():
    helps = arm_result("dropout", difference=Interval(mean=0.0082, low=0.003, high=0.0131), p=0.01)
    harms = arm_result("batch_norm", difference=Interval(mean=-0.0082, low=-0.0131, high=-0.003), p=0.049)
    assert on_arms(helps, harms) == (
        "Dropout raises test accuracy by 0.8 points (95 % interval 0.3 to 1.3); batch norm lowers test accuracy by 0.8 "
        "points (95 % interval 0.3 to 1.3)."
    )


def test_an_unadjusted_interval_may_reach_beyond_zero():
    harms = arm_result("dropout", difference=Interval(mean=-0.01, low=-0.021, high=0.001), p=0.04)
    assert on_arms(harms) == "Dropout lowers test accuracy by 1.0 points (95 % interval −0.1 to 2.1)."


def test_one_arm_without_evidence():
    arm = arm_result("dropout", difference=around(0.003), p=0.05)
    assert on_arms(arm) == (
        "There is no evidence that dropout changes test accuracy (+0.3 points, with an interval from −0.7 to +1.3)."
    )


def test_several_arms_without_evidence():
    arms = (
        arm_result("dropout", difference=around(0.003)),
        arm_result("batch_norm", difference=around(-0.0001, 0.0003)),
        arm_result("dropout+batch_norm", difference=around(-0.012)),
    )
    assert on_arms(*arms) == (
        "There is no evidence that dropout, batch norm and dropout with batch norm change test accuracy (+0.3, 0.0 and "
        "−1.2 points, with intervals from −2.2 to +1.3)."
    )
    assert on_arms(*arms[:2]) == (
        "There is no evidence that dropout and batch norm change test accuracy (+0.3 and 0.0 points, with intervals from "
        "−0.7 to +1.3)."
    )


def test_what_is_found_comes_before_what_is_not():
    silent = arm_result("dropout", difference=around(0.003))
    helps = arm_result("dropout+batch_norm", difference=around(0.02), p=0.001)
    assert on_arms(silent, helps) == (
        "Dropout with batch norm raises test accuracy by 2.0 points (95 % interval 1.0 to 3.0); there is no evidence that "
        "dropout changes test accuracy (+0.3 points, with an interval from −0.7 to +1.3)."
    )


@pytest.mark.parametrize(("mean", "word"), [(0.02, "more"), (-0.02, "less")])
def test_the_two_together(mean, word):
    arms = [arm_result(arm) for arm in ARMS]
    sentences = verdict(*arms, interaction=Interaction(interval=around(mean), p_value=0.04))
    assert sentences[2] == (
        f"Together, dropout and batch norm give {word} than the sum of what each gives alone, by 2.0 points (95 % interval "
        f"1.0 to 3.0)."
    )
    assert len(sentences) == 4
    assert len(verdict(*arms, interaction=Interaction(interval=around(mean), p_value=0.05))) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"accuracy": 0.9312},
            "Use the plain net: nothing is better on validation. The saved net is right on 93.1 % of its test rows.",
        ),
        (
            {"arm": "dropout", "best": "dropout", "rate": 0.25},
            "Use dropout at rate 0.25: best on validation, and nothing simpler comes within one standard error of it. The "
            "saved net is right on 90.0 % of its test rows.",
        ),
        (
            {"arm": "plain", "best": "dropout+batch_norm"},
            "Use the plain net: the simplest within one standard error of the best on validation, dropout with batch norm. "
            "The saved net is right on 90.0 % of its test rows.",
        ),
    ],
)
def test_what_to_use(arguments, sentence):
    arms = (arm_result("plain"), arm_result("dropout"))
    assert verdict(*arms, recommended=recommendation(**arguments))[-1] == sentence


def recommended(make_net, validation, test_share=0.25, metric=ACCURACY, **losses):
    """Recommend among arms of these validation accuracies, seed by seed; test accuracies say the opposite."""
    nets, arms = [], []
    for index, (arm, accuracies) in enumerate(validation.items()):
        numbers = tuple(10 * index + seed for seed in range(len(accuracies)))
        for seed, (net, accuracy) in enumerate(zip(numbers, accuracies, strict=True)):
            loss = losses.get(arm, [0.5] * len(accuracies))[seed]
            given = {"validation_score": accuracy, "validation_loss": loss, "test_score": 1 - accuracy}
            nets.append(make_net(net, arm, seed, 0.3 if "dropout" in arm else 0.0, **given))
        arms.append(arm_result(arm, validation=sum(accuracies) / len(accuracies), nets=numbers))
    return recommend(arms, nets, metric, test_share)


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


def on_errors(*arms, **given):
    """The verdict of a regression, whose plain net has an RMSE of 54.3 and a gap of 12 to 34."""
    plain = arm_result("plain", gap=Interval(mean=23.14, low=12.0, high=34.5), accuracy=54.321)
    return verdict(plain, *arms, task="regression", **given)


def test_of_a_regression_the_error_is_told_in_four_digits():
    helps = arm_result("dropout", difference=Interval(mean=-3.456, low=-5.0, high=-2.0), p=0.01)
    harms = arm_result("batch_norm", difference=Interval(mean=1.5, low=0.5, high=2.5), p=0.02)
    silent = arm_result("dropout+batch_norm", difference=Interval(mean=-0.001, low=-2.0, high=1.998))
    interaction = Interaction(interval=Interval(mean=1.0, low=0.5, high=1.5), p_value=0.01)
    recommended = recommendation(arm="dropout", best="dropout", rate=0.5, accuracy=51.2)
    assert on_errors(helps, harms, silent, interaction=interaction, recommended=recommended) == (
        "The plain net overfits: its RMSE is 31.18 on its training rows and 54.32 on new ones, a gap of 23.14 (95 % interval "
        "12.00 to 34.50).",
        "Dropout lowers test RMSE by 3.46 (95 % interval 2.00 to 5.00); batch norm raises test RMSE by 1.50 (95 % interval "
        "0.50 to 2.50); there is no evidence that dropout with batch norm changes test RMSE (0.00, with an interval from "
        "−2.00 to +2.00).",
        "Together, dropout and batch norm give less than the sum of what each gives alone, by 1.00 (95 % interval 0.50 to "
        "1.50).",
        "Use dropout at rate 0.5: best on validation, and nothing simpler comes within one standard error of it. The saved net "
        "has an RMSE of 51.20 on its test rows.",
    )


def test_an_interaction_that_lowers_the_error_gives_more():
    interaction = Interaction(interval=Interval(mean=-1.0, low=-1.5, high=-0.5), p_value=0.01)
    sentence = on_errors(arm_result("dropout"), interaction=interaction)[2]
    assert sentence.startswith(
        "Together, dropout and batch norm give more than the sum of what each gives alone, by 1.00 ("
    )


def test_a_gap_below_a_fiftieth_of_the_error_is_slight():
    plain = arm_result("plain", gap=Interval(mean=1.0, low=0.5, high=1.5), accuracy=54.321)
    assert verdict(plain, arm_result("dropout"), task="regression")[0].startswith("The plain net overfits slightly: ")


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
