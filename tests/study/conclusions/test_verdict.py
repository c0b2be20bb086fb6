import pytest

from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.conclusions.verdict import write_verdict
from dropnorm.study.records import (
    ArmResult,
    Comparison,
    EpochsToReach,
    Interaction,
    Interval,
    Power,
    Recommendation,
    State,
)
from dropnorm.study.task import TASKS

WIDE = Interval(mean=0.0, low=-0.1, high=0.1)


def around(mean: float, reach: float = 0.01) -> Interval:
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def compared(measure, difference, p) -> Comparison:
    return Comparison(
        measure=measure,
        differences=(0.0, 0.0),
        interval=difference,
        bootstrap=difference,
        p_value=p / 3,
        p_holm=p,
        power=Power(needed=None, at_best=0.05, rows_factor=None),
    )


def arm_result(arm, *, difference=WIDE, p=1.0, accuracy=0.9, train=0.95, others=()) -> ArmResult:
    return ArmResult(
        arm=arm,
        nets=(),
        rates=(),
        weight_decays=(),
        train_score=around(train),
        test_score=around(accuracy),
        test_r2=None,
        test_loss=WIDE,
        calibration_error=None,
        validation_score=around(accuracy),
        generalization_gap=WIDE,
        loss_gap=WIDE,
        median_best_epoch=3,
        epochs_to_plain_best=EpochsToReach(reached=0, of=2, median_epochs=None, median_steps=None),
        selection=None,
        comparisons=() if arm == "plain" else (compared("score", difference, p), *others),
    )


def state(name="fine", *, gap=WIDE, skill=0.9, constant=0.3, still=0.0) -> State:
    return State(
        name=name, gap=gap, train_skill=around(skill, 0.05), constant=constant, opening=0.5, still_learning=still
    )


def recommendation(arm="plain", best="plain", rate=0.0, accuracy=0.9) -> Recommendation:
    return Recommendation(
        arm=arm, best_arm=best, within_one_standard_error=(arm,), net=0, seed=0, rate=rate, test_score=accuracy
    )


def verdict(*arms, interaction=None, recommended=None, task="classification", found=None):
    both = () if interaction is None else (interaction,)
    return write_verdict(TASKS[task], arms, found or state(), both, recommended or recommendation())


ON_BOTH = "it is right on 99.1 % of its training rows and on 95.1 % of new ones"


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (
            state("overfitting", gap=around(0.04)),
            [f"The plain net overfits: {ON_BOTH}, a gap of 4.0 points (95 % interval 3.0 to 5.0)."],
        ),
        (
            state("fine", gap=around(0.004, 0.001)),
            [
                f"The plain net is fine: {ON_BOTH}, a gap of 0.4 points (95 % interval 0.3 to 0.5), too small to matter.",
            ],
        ),
        (
            state("fine", gap=around(0.004, 0.01)),
            [
                f"The plain net is fine: {ON_BOTH}, a gap of 0.4 points (95 % interval −0.6 to 1.4), no evidence of "
                f"overfitting.",
            ],
        ),
        (
            state("too_little_data", gap=around(0.02, 0.1)),
            [
                f"There is too little data to say whether the plain net overfits: {ON_BOTH}, a gap of 2.0 points (95 % "
                f"interval −8.0 to 12.0).",
                "More rows would tell; more seeds narrow the interval only as far as their shared rows allow.",
            ],
        ),
        (
            state("underfitting", skill=0.2),
            [
                f"The plain net underfits, or there is no more to learn: {ON_BOTH}. On its training rows, that is 20 % (95 % "
                f"interval 15 to 25) of the way from always saying the most frequent class to being never wrong.",
                "Try more or wider hidden layers (--hidden), or better columns. Dropout makes it learn less.",
            ],
        ),
        (
            state("underfitting", skill=0.2, still=0.8),
            ["It was still learning when its epochs ended: allow more (--epochs)."],
        ),
    ],
    ids=["overfitting", "slight gap", "no gap", "too little data", "too small", "too short"],
)
def test_each_state_has_its_sentence_and_what_to_do(found, sentences):
    plain = arm_result("plain", accuracy=0.951, train=0.991)
    said = verdict(plain, arm_result("dropout"), found=found, recommended=recommendation("dropout", "dropout", 0.1))
    for sentence in sentences:
        assert sentence in said
    assert len(said) == 3 + (found.name in ("underfitting", "too_little_data"))


def test_where_no_arm_mends_the_overfitting_that_is_said():
    found = state("overfitting", gap=around(0.04))
    said = verdict(arm_result("plain"), arm_result("dropout"), found=found)
    assert said[2] == (
        "None of the arms mends the overfitting for sure: more rows would, or try a smaller net or other arms."
    )


def test_a_net_that_is_no_better_than_a_constant_is_named():
    said = verdict(arm_result("plain", accuracy=0.5), arm_result("dropout"), found=state(constant=0.495))
    assert said[1] == "On new rows it is not surely better than always saying the most frequent class (49.5 %)."
    assert "constant" not in verdict(
        arm_result("plain", accuracy=0.51), arm_result("dropout"), found=state(constant=0.495)
    )
    said = on_errors(arm_result("dropout"), constant=54.33)
    assert said[1] == "On new rows it is not surely better than always saying the mean (54.33)."
    assert len(on_errors(arm_result("dropout"), constant=54.34)) == len(said) - 1


def test_what_is_found_in_loss_and_calibration_is_said():
    loss = compared("loss", around(-0.0512), 0.01)
    calibration = compared("calibration_error", around(0.0123), 0.01)
    arms = (
        arm_result("dropout", others=(loss, calibration)),
        arm_result(
            "batch_norm", others=(compared("loss", around(-0.02), 0.03), compared("calibration_error", WIDE, 1.0))
        ),
    )
    assert verdict(arm_result("plain"), *arms)[2] == (
        "Dropout and batch norm lower the log loss by 0.051 and 0.020; dropout raises the calibration error by 1.2 points."
    )


def on_arms(*arms):
    return verdict(arm_result("plain"), *arms)[1]


def test_what_helps_and_what_harms_is_said_with_its_size():
    helps = arm_result("dropout", difference=Interval(mean=0.0082, low=0.003, high=0.0131), p=0.01)
    harms = arm_result("batch_norm", difference=Interval(mean=-0.0082, low=-0.0131, high=-0.003), p=0.049)
    assert on_arms(helps, harms) == (
        "Dropout helps, and raises test accuracy by 0.8 points (95 % interval 0.3 to 1.3); batch norm does harm, and lowers "
        "test accuracy by 0.8 points (95 % interval 0.3 to 1.3)."
    )


def test_an_unadjusted_interval_may_reach_beyond_zero():
    harms = arm_result("dropout", difference=Interval(mean=-0.01, low=-0.021, high=0.001), p=0.04)
    assert on_arms(harms) == "Dropout does harm, and lowers test accuracy by 1.0 points (95 % interval −0.1 to 2.1)."


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
        "Dropout with batch norm helps, and raises test accuracy by 2.0 points (95 % interval 1.0 to 3.0); there is no "
        "evidence that dropout changes test accuracy (+0.3 points, with an interval from −0.7 to +1.3)."
    )


@pytest.mark.parametrize(("mean", "word"), [(0.02, "more"), (-0.02, "less")])
def test_the_two_together(mean, word):
    arms = [arm_result(arm) for arm in ARMS]
    sentences = verdict(*arms, interaction=Interaction(measure="score", interval=around(mean), p_value=0.04))
    assert sentences[2] == (
        f"Together, dropout and batch norm give {word} than the sum of what each gives alone, by 2.0 points (95 % interval "
        f"1.0 to 3.0)."
    )
    assert len(sentences) == 4
    assert len(verdict(*arms, interaction=Interaction(measure="score", interval=around(mean), p_value=0.05))) == 3


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


def on_errors(*arms, constant=77.0, **given):
    """The verdict of a regression, whose plain net has an RMSE of 54.3 and a gap of 12 to 34."""
    found = state("overfitting", gap=Interval(mean=23.14, low=12.0, high=34.5), constant=constant)
    return verdict(arm_result("plain", accuracy=54.321, train=31.181), *arms, task="regression", found=found, **given)


def test_of_a_regression_the_error_is_told_in_four_digits():
    helps = arm_result("dropout", difference=Interval(mean=-3.456, low=-5.0, high=-2.0), p=0.01)
    harms = arm_result("batch_norm", difference=Interval(mean=1.5, low=0.5, high=2.5), p=0.02)
    silent = arm_result("dropout+batch_norm", difference=Interval(mean=-0.001, low=-2.0, high=1.998))
    interaction = Interaction(measure="score", interval=Interval(mean=1.0, low=0.5, high=1.5), p_value=0.01)
    recommended = recommendation(arm="dropout", best="dropout", rate=0.5, accuracy=51.2)
    assert on_errors(helps, harms, silent, interaction=interaction, recommended=recommended) == (
        "The plain net overfits: its RMSE is 31.18 on its training rows and 54.32 on new ones, a gap of 23.14 (95 % interval "
        "12.00 to 34.50).",
        "Dropout helps, and lowers test RMSE by 3.46 (95 % interval 2.00 to 5.00); batch norm does harm, and raises test RMSE "
        "by 1.50 (95 % interval 0.50 to 2.50); there is no evidence that dropout with batch norm changes test RMSE (0.00, with "
        "an interval from −2.00 to +2.00).",
        "Together, dropout and batch norm give less than the sum of what each gives alone, by 1.00 (95 % interval 0.50 to "
        "1.50).",
        "Use dropout at rate 0.5: best on validation, and nothing simpler comes within one standard error of it. The saved net "
        "has an RMSE of 51.20 on its test rows.",
    )


def test_an_interaction_that_lowers_the_error_gives_more():
    interaction = Interaction(measure="score", interval=Interval(mean=-1.0, low=-1.5, high=-0.5), p_value=0.01)
    sentence = on_errors(arm_result("dropout"), interaction=interaction)[2]
    assert sentence.startswith(
        "Together, dropout and batch norm give more than the sum of what each gives alone, by 1.00 ("
    )
