import itertools
import re

import numpy as np
import pytest

from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.arms import named_arm
from dropnorm.study.arms import words as arm_words
from dropnorm.study.conclusions.advice import advise
from dropnorm.study.conclusions.state import find_state
from dropnorm.study.conclusions.verdict import write_verdict
from dropnorm.study.records import EpochRecord, Interaction, Interval, MetricResult, ModelResult, StudyConfig
from dropnorm.study.statistics.arms import summarize_arms
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.statistics.comparisons import interactions
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import TASKS, judged_by

ON_BOTH = "it is right on 99.1 % of its training rows and on 95.1 % of new ones"


@pytest.fixture
def verdict(make_arm, make_data, make_state, make_advice):
    """The verdict on arms, of which nothing is shown unless a test says so."""

    def write(*arms, advice=None, state=None, task="classification", interaction=None, data=None, **by_arm):
        made = (make_arm("plain"), *arms) if arms[0].arm != "plain" else arms
        cases = {arm.arm.replace("+", "_and_"): "not_shown" for arm in made[1:]} | by_arm
        both = () if interaction is None else (interaction,)
        return write_verdict(
            TASKS[task],
            data or make_data(task),
            made,
            state or make_state(),
            both,
            advice or make_advice(**cases),
            "seeds",
        )

    return write


@pytest.mark.parametrize(
    ("name", "given", "sentences"),
    [
        (
            "overfitting",
            {"gap": (0.04, 0.01)},
            [
                f"The plain net overfits: {ON_BOTH}, a gap of 4.0 points (95 % interval 3.0 to 5.0).",
                "The overfitting remains: more rows would lessen it, or try a smaller net or other arms.",
            ],
        ),
        (
            "fine",
            {"gap": (0.004, 0.001)},
            [f"The plain net is fine: {ON_BOTH}, a gap of 0.4 points (95 % interval 0.3 to 0.5), too small to matter."],
        ),
        (
            "fine",
            {"gap": (0.004, 0.01)},
            [
                f"The plain net is fine: {ON_BOTH}, a gap of 0.4 points (95 % interval −0.6 to 1.4), no evidence of "
                f"overfitting."
            ],
        ),
        ("fine", {"gap": (0.0004, 0.0001)}, [f"The plain net is fine: {ON_BOTH}, no evidence of overfitting."]),
        (
            "too_little_data",
            {"gap": (0.02, 0.1)},
            [
                f"There is too little data to say whether the plain net overfits: {ON_BOTH}, a gap between −8.0 and 12.0 "
                f"points (95 % interval).",
                "More rows would tell; more seeds narrow the interval only as far as their shared rows allow.",
            ],
        ),
        (
            "underfitting",
            {"skill": 0.2},
            [
                f"The plain net underfits, or there is no more to learn: {ON_BOTH}. On its training rows, that is 20 % (95 % "
                f"interval 15 to 25) of the way from always saying the most frequent class to being never wrong.",
                "Try a larger network, such as more or wider hidden layers, or better columns.",
            ],
        ),
        (
            "underfitting",
            {"skill": 0.0},
            [
                f"The plain net underfits, or there is no more to learn: {ON_BOTH}. On its training rows, that is no better "
                f"than always saying the most frequent class."
            ],
        ),
        (
            "underfitting",
            {"skill": 0.2, "still": 0.8},
            ["The plain net was still learning when its epochs ended: allow more (--epochs)."],
        ),
    ],
)
def test_each_state_has_its_sentence_and_what_to_do(name, given, sentences, verdict, make_arm, make_state, around):
    gap = {"gap": around(*given["gap"])} if "gap" in given else {}
    said = verdict(
        make_arm("plain", score=0.951, train=0.991), make_arm("dropout"), state=make_state(name, **(given | gap))
    )
    for sentence in sentences:
        assert sentence in said
    assert len(said) == 3 + (name != "fine")


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"time": "day"}, "The later rows are other rows than the earlier ones"),
        ({"given_test": True}, "The rows of the given test part are other rows than those to learn from"),
    ],
)
def test_rows_that_have_changed_are_called_that_and_not_overfitting(
    given, rows, verdict, make_arm, make_state, make_data
):
    plain = make_arm("plain", score=105.7, train=30.5, validation=42.1)
    said = verdict(
        plain,
        make_arm("dropout", score=104.0),
        task="regression",
        data=make_data("regression", **given),
        state=make_state("shifted", constant=200.0, drop=63.6),
    )
    assert said[0] == (
        f"{rows}: the plain net has an RMSE of 30.5 on its training rows, of 42.1 on its validation rows and of 105.7 on its "
        f"test rows. The step from validation to test rows is none that regularization closes: in every arm it is as large, "
        f"since the rows themselves are others."
    )
    assert said[-1] == ("Learn from rows that are more like those to come, or leave out columns that change with them.")
    assert not any("overfit" in sentence for sentence in said)


def test_a_net_that_is_no_better_than_a_constant_is_named(verdict, make_arm, make_state, make_advice):
    said = verdict(make_arm("plain", score=0.5), make_arm("dropout", score=0.5), state=make_state(constant=0.495))
    assert (
        said[1] == "On new rows the plain net is not surely better than always saying the most frequent class (49.5 %)."
    )
    assert said[-1].endswith("standard error. No net of this study is to be relied on yet.")
    sure = verdict(make_arm("plain", score=0.51), make_arm("dropout", score=0.51), state=make_state(constant=0.495))
    assert not any("most frequent" in sentence or "relied" in sentence for sentence in sure)
    advised = verdict(
        make_arm("plain", score=0.5),
        make_arm("dropout", score=0.5),
        state=make_state(constant=0.495),
        advice=make_advice("dropout", rate=0.3, dropout="likely", ahead=("dropout",)),
    )
    assert advised[-1].endswith(
        "That net is not to be relied on yet: on new rows it is not surely better than always saying the most frequent class "
        "either."
    )


def test_a_metric_that_the_rows_do_not_define_is_named(make_arm, make_data, make_state, make_advice):
    judged, model = judged_by("classification", "roc_auc"), model_of(0.9)
    for metrics in ((), (MetricResult(metric="roc_auc", value=None, constant=None),)):
        given = model.model_copy(update={"metrics": metrics})
        arms = (make_arm("plain"), make_arm("dropout"))
        said = write_verdict(judged, make_data(), arms, make_state(), (), make_advice(), "seeds", given)
        assert said[-1].endswith(
            "The rows that the model's nets did not see do not define its area under the ROC curve."
        )


def test_a_model_that_is_better_than_a_constant_is_relied_on_though_its_nets_one_by_one_are_not_sure(
    make_arm, make_data, make_state, make_advice
):
    arms = (make_arm("plain", score=0.7), make_arm("dropout", score=0.7))
    for score, relied in ((0.75, True), (0.71, False)):  # the interval begins 0.02 below
        model = model_of(score).model_copy(update={"arm": "plain"})
        advice, state = make_advice(dropout="not_shown"), make_state(constant=0.7)
        said = " ".join(write_verdict(TASKS["classification"], make_data(), arms, state, (), advice, "seeds", model))
        assert ("relied" not in said and "surely better than always" not in said) == relied
    area = MetricResult(metric="roc_auc", value=0.72, low=0.705, high=0.74, constant=0.5)
    judged, model = (
        judged_by("classification", "roc_auc"),
        model_of(0.6, metrics=(area,)).model_copy(update={"arm": "plain"}),
    )
    said = " ".join(write_verdict(judged, make_data(), arms, state, (), advice, "seeds", model))
    assert "relied" not in said, "it is the metric that arms are judged by"


def test_what_is_found_in_loss_and_calibration_is_said(verdict, make_arm, compared, around):
    arms = (
        make_arm(
            "dropout",
            others=(compared("test_loss", around(-0.0512), 0.01), compared("calibration_error", around(0.0123), 0.01)),
        ),
        make_arm("batch_norm", others=(compared("test_loss", around(-0.02), 0.03),)),
    )
    assert verdict(*arms)[2] == (
        "Dropout and batch norm lower the log loss by 0.051 and 0.020; dropout raises the calibration error by 1.2 points."
    )


def test_what_is_written_as_zero_is_not_spoken_of(verdict, make_arm, compared, around):
    of_nothing = (
        compared("test_loss", around(0.000084, 0.00001), 0.026),
        compared("calibration_error", around(0.0004), 0.01),
    )
    said = verdict(make_arm("dropout", others=of_nothing))
    assert len(said) == 3
    assert not any("loss" in sentence or "calibration" in sentence for sentence in said)


def test_what_helps_and_what_harms_is_said_with_its_size(verdict, make_arm):
    helps = make_arm("dropout", difference=Interval(mean=0.0082, low=0.003, high=0.0131), p=0.01)
    harms = make_arm("batch_norm", difference=Interval(mean=-0.0082, low=-0.0131, high=-0.003), p=0.049)
    assert verdict(harms, helps, dropout="shown", batch_norm="harmful")[1] == (
        "Dropout helps, and raises test accuracy by 0.8 points (95 % interval 0.3 to 1.3); batch norm does harm, and lowers "
        "test accuracy by 0.8 points (95 % interval 0.3 to 1.3)."
    )


def test_an_unadjusted_interval_may_reach_beyond_zero(verdict, make_arm):
    harms = make_arm("dropout", difference=Interval(mean=-0.01, low=-0.021, high=0.001), p=0.04)
    assert verdict(harms, dropout="harmful")[1] == (
        "Dropout does harm, and lowers test accuracy by 1.0 points (95 % interval −0.1 to 2.1)."
    )


def test_what_is_likely_is_told_from_what_is_shown(verdict, make_arm, around):
    ahead = make_arm("dropout", difference=around(0.006))
    level = make_arm("batch_norm", difference=around(-0.0002))
    assert verdict(ahead, level, dropout="likely", batch_norm="likely")[1] == (
        "Dropout may help: it is ahead of plain by 1.2 points on validation rows, and by 0.6 points (95 % interval −0.4 to "
        "1.6) on test rows, which is not sure; batch norm may help: it is ahead of plain by 1.2 points on validation rows, and "
        "level with it on test rows."
    )


def test_arms_without_evidence(verdict, make_arm, around):
    arms = (
        make_arm("dropout", difference=around(0.003)),
        make_arm("batch_norm", difference=around(-0.0001, 0.0003)),
        make_arm("dropout+batch_norm", difference=around(-0.012)),
    )
    assert verdict(arms[0])[1] == (
        "There is no evidence that dropout changes test accuracy (95 % interval from −0.7 to +1.3 points)."
    )
    assert verdict(*arms)[1] == (
        "There is no evidence that dropout, batch norm and dropout with batch norm change test accuracy (95 % intervals, each "
        "taken alone, from −2.2 to +1.3 points)."
    )


def test_an_interval_that_leaves_zero_out_is_told_from_the_adjusted_test(verdict, make_arm, around):
    arms = (make_arm("dropout", difference=around(0.012), p=0.06), make_arm("batch_norm"))
    assert verdict(*arms)[1] == (
        "There is no evidence that dropout and batch norm change test accuracy (95 % intervals, each taken alone, from −10.0 "
        "to +10.0 points)."
    )


def test_no_difference_at_all_has_no_interval(verdict, make_arm, around):
    assert verdict(make_arm("dropout", difference=around(0.0, 0.0)))[1] == (
        "There is no evidence that dropout changes test accuracy (no difference in any seed)."
    )


def test_more_than_four_arms_are_summed_up(verdict, make_arm, compared, around):
    names = ("dropout", "batch_norm", "max_norm", "as in 2014", "last_dropout", "input_dropout")
    loss = [compared("test_loss", around(-0.02 - 0.01 * index), 0.01) for index in range(6)]
    arms = [make_arm(name, difference=around(0.01 * index), others=[loss[index]]) for index, name in enumerate(names)]
    cases = dict(zip(names, ("not_shown", "shown", "shown", "likely", "likely", "harmful"), strict=True))
    said = verdict(*arms, **cases)
    assert said[1] == (
        "2 of 6 arms help, most of all max-norm, which raises test accuracy by 2.0 points (95 % interval 1.0 to 3.0); dropout "
        "of the inputs does harm, and raises test accuracy by 5.0 points (95 % interval 4.0 to 6.0); 2 of 6 arms may help, "
        "first of all as in 2014: it is ahead of plain by 1.2 points on validation rows, and by 3.0 points (95 % interval, "
        "taken alone, 2.0 to 4.0) on test rows, which is not sure; 1 of 6 arms shows no evidence of a change in test accuracy "
        "(95 % interval from −1.0 to +1.0 points)."
    )
    assert said[2] == "6 of 6 arms lower the log loss, most of all dropout of the inputs, by 0.070."


def test_under_five_seeds_the_words_are_cautious(verdict, make_arm, make_advice, compared, around):
    helps = make_arm("dropout", difference=around(0.02), p=0.001, others=(compared("test_loss", around(-0.05), 0.01),))
    harms = make_arm("batch_norm", difference=around(-0.02), p=0.001)
    advice = make_advice("dropout", rate=0.3, units=4, dropout="shown", batch_norm="harmful", ahead=("dropout",))
    said = verdict(helps, harms, advice=advice)
    assert said[1:] == (
        "Dropout seems to help, and raises test accuracy by 2.0 points (95 % interval 1.0 to 3.0); batch norm seems to do "
        "harm, and lowers test accuracy by 2.0 points (95 % interval 1.0 to 3.0).",
        "4 seeds are too few to be sure of any difference: take at least 5.",
        "Try dropout at rate 0.3: it is ahead of the plain net on validation and on test rows.",
    )
    five = make_advice("dropout", rate=0.3, units=5, dropout="shown", batch_norm="harmful", ahead=("dropout",))
    assert verdict(helps, harms, advice=five)[-1].startswith("Use dropout at rate 0.3: it helps")


@pytest.mark.parametrize(("mean", "word"), [(0.02, "more"), (-0.02, "less")])
def test_the_two_together(mean, word, verdict, make_arm, around):
    arms = [make_arm(arm) for arm in ARMS]

    def said(p=0.04, mean=mean, **by_arm):
        return verdict(
            *arms, interaction=Interaction(statistic="test_score", interval=around(mean), p_value=p), **by_arm
        )

    assert said(dropout="shown")[2] == (
        f"Together, dropout and batch norm give {word} than the sum of what each gives alone, by 2.0 points (95 % interval "
        f"1.0 to 3.0)."
    )
    assert len(said(dropout="shown")) == 4
    for silent in (said(p=0.05, dropout="shown"), said(), said(mean=mean / 100, dropout="shown")):
        assert len(silent) == 3, "not sure, of arms that do nothing, or of nothing"


@pytest.mark.parametrize(
    ("advice", "sentence"),
    [
        (
            {"dropout": "not_shown"},
            "Use the plain net: no arm is ahead of it on validation rows by more than one standard error.",
        ),
        (
            {"arm": "dropout", "rate": 0.25, "dropout": "shown", "ahead": ("dropout",)},
            "Use dropout at rate 0.25: it helps, and is ahead of the plain net on validation rows too.",
        ),
        (
            {"arm": "dropout", "rate": 0.25, "weight_decay": 0.1, "dropout": "likely", "ahead": ("dropout",)},
            "Try dropout at rate 0.25 with decay 0.1: it is ahead of the plain net on validation rows and not behind it on "
            "test rows, though not surely better.",
        ),
        (
            {"dropout": "not_shown", "ahead": ("dropout",)},
            "Use the plain net: dropout is ahead of it on validation rows by more than one standard error, but behind it on "
            "test rows.",
        ),
        (
            {"dropout": "shown", "batch_norm": "shown"},
            "Stay with the plain net for now: dropout and batch norm, though better on test rows, are not ahead of it on "
            "validation rows, by which an arm is chosen. More seeds would settle it.",
        ),
    ],
)
def test_what_to_use_follows_from_what_is_shown(advice, sentence, verdict, make_arm, make_advice):
    arms = (make_arm("dropout"), *([make_arm("batch_norm")] if "batch_norm" in advice else []))
    assert verdict(*arms, advice=make_advice(**advice))[-1] == sentence


def model_of(score, *, metrics=(), task="classification"):
    worse = Interval(mean=score, low=score - 0.02, high=score + 0.01)
    return ModelResult(
        arm="dropout",
        rate=0.3,
        weight_decay=0.0,
        nets=tuple(range(10)),
        rows=100,
        nets_per_row=2.0,
        score=worse,
        loss=worse,
        new_rows=20,
        score_of_new_rows=worse,
        single_score=score,
        single_loss=0.1,
        metrics=metrics,
    )


@pytest.mark.parametrize(
    ("task", "metric", "score", "said"),
    [
        (
            "classification",
            None,
            0.9734,
            "The model is the mean of 10 nets, and is right on 97.3 % of the rows, each predicted by the nets that did not see "
            "it (95 % interval 95.3 to 98.3). Of 20 new rows of the same kind, the model will be right on 95.3 to 98.3 % in 95 "
            "of 100 cases.",
        ),
        (
            "regression",
            None,
            54.321,
            "The model is the mean of 10 nets, and has an RMSE of 54.32 on rows, each predicted by the nets that did not see "
            "it (95 % interval 54.30 to 54.33). On 20 new rows of the same kind, the model's RMSE will be 54.30 to 54.33 in 95 "
            "of 100 cases.",
        ),
        (
            "classification",
            "roc_auc",
            0.9734,
            "The model is the mean of 10 nets, and is right on 97.3 % of the rows, each predicted by the nets that did not see "
            "it (95 % interval 95.3 to 98.3). Of 20 new rows of the same kind, the model will be right on 95.3 to 98.3 % in 95 "
            "of 100 cases. On the rows that its nets did not see, the model's area under the ROC curve is 0.987 (95 % interval "
            "0.970 to 0.995); that of always saying the most frequent class is 0.500.",
        ),
    ],
)
def test_how_good_the_model_is(task, metric, score, said, make_arm, make_data, make_state, make_advice):
    metrics = (MetricResult(metric="roc_auc", value=0.987, low=0.97, high=0.995, constant=0.5),)
    arms = (make_arm("plain"), make_arm("dropout"))
    advice, model = make_advice(dropout="not_shown"), model_of(score, metrics=metrics)
    judged = judged_by(task, metric)
    assert write_verdict(judged, make_data(task), arms, make_state(), (), advice, "seeds", model)[-1] == said


def test_of_a_regression_the_error_is_told_in_four_digits(verdict, make_arm, make_state, make_advice):
    gap = Interval(mean=23.14, low=12.0, high=34.5)
    helps = make_arm("dropout", difference=Interval(mean=-3.456, low=-5.0, high=-2.0), p=0.01, score=50.9)
    harms = make_arm("batch_norm", difference=Interval(mean=1.5, low=0.5, high=2.5), p=0.02)
    silent = make_arm("dropout+batch_norm", difference=Interval(mean=-0.001, low=-2.0, high=1.998))
    cases = {"dropout": "shown", "batch_norm": "harmful", "dropout_and_batch_norm": "not_shown"}
    assert verdict(
        make_arm("plain", score=54.321, train=31.181),
        helps,
        harms,
        silent,
        task="regression",
        state=make_state("overfitting", gap=gap, constant=77.0),
        interaction=Interaction(statistic="test_score", interval=Interval(mean=1.0, low=0.5, high=1.5), p_value=0.01),
        advice=make_advice("dropout", rate=0.5, ahead=("dropout",), **cases),
    ) == (
        "The plain net overfits: its RMSE is 31.18 on its training rows and 54.32 on new ones, a gap of 23.14 (95 % interval "
        "12.00 to 34.50).",
        "Dropout helps, and lowers test RMSE by 3.46 (95 % interval 2.00 to 5.00); batch norm does harm, and raises test RMSE "
        "by 1.50 (95 % interval 0.50 to 2.50); there is no evidence that dropout with batch norm changes test RMSE (95 % "
        "interval from −2.00 to +2.00).",
        "Together, dropout and batch norm give less than the sum of what each gives alone, by 1.00 (95 % interval 0.50 to "
        "1.50).",
        "Use dropout at rate 0.5: it helps, and is ahead of the plain net on validation rows too.",
    )


NAMES = ("plain", "dropout", "batch_norm", "dropout+batch_norm", "weight_decay", "max_norm", "last_dropout")
NOTHING = re.compile(r"(?:by|gap of|from 0[.0]* to|between 0[.0]* and) [+−]?0(?:\.0+)?(?!\.?\d)")
CLAIMS = {
    "better": re.compile(r"(.+?) (?:helps|seems to help),"),
    "worse": re.compile(r"(.+?) (?:does|seems to do) harm,"),
    "perhaps better": re.compile(r"(.+?) may help:"),
    "unknown": re.compile(r"there is no evidence that (.+?) changes? "),
}


def _random_study(rng, make_net, make_data):
    """The records of a study whose scores are drawn at random, with whatever differences come out, and its verdict."""
    task = rng.choice(["classification", "regression"])
    arms = ("plain", *rng.permutation(NAMES[1:])[: rng.integers(1, 7)])
    arms = tuple(sorted(arms, key=NAMES.index))
    seeds, splits = int(rng.integers(2, 12)), (1 if rng.random() < 0.3 else None)
    ordered = {"time": "day"} if splits == 1 and rng.random() < 0.5 else {}
    spread = 10.0 ** rng.uniform(-6, -0.7)
    scale = 1.0 if task == "classification" else 10.0 ** rng.uniform(-3, 5)
    level = rng.uniform(0.3, 1.0)
    effects = {arm: spread * rng.choice([0.0, 1.0, 3.0]) * rng.normal() for arm in arms}
    drop = rng.choice([0.0, 0.0, 0.4])
    nets, epochs = [], []
    for arm, seed in itertools.product(arms, range(seeds)):
        for rate in (0.1, 0.5) if "dropout" in arm else (0.0,):
            score = np.clip(level + effects[arm] + spread * rng.normal(size=3) + [0.05, 0.0, -drop], 0.0, 1.0)
            loss = np.abs(rng.normal(0.5 - effects[arm], spread, size=3)) + 1e-3
            given = {}
            for part, own, cost in zip(("train", "validation", "test"), score, loss, strict=True):
                given[f"{part}_score"] = scale * (own if task == "classification" else 1.01 - own)
                given[f"{part}_loss"] = cost
            if task == "classification":
                given["calibration_error"] = abs(rng.normal(0.05, spread))
            nets.append(make_net(len(nets), arm, seed, rate, split=0 if splits else seed, **given))
            kept = {key: given[key] for key in ("train_loss", "train_score", "validation_loss", "validation_score")}
            epochs.append(EpochRecord(net=nets[-1].net, epoch=1, **kept))
    deviation = {"quantity": {"lowest": 0.0, "highest": scale, "mean": scale / 2, "deviation": scale / 2}}
    data = make_data(task, **(deviation if task == "regression" else {}), **ordered)
    config = StudyConfig(arms=tuple(named_arm(arm) for arm in arms), seeds=seeds, splits=splits)
    metric, resampling = TASKS[task].metric, Resampling.of(data, config)
    resolution = metric.resolution(data.test_rows)
    results = summarize_arms(nets, epochs, arms, TASKS[task], resampling, 10, resolution)
    chosen = {arm: choose_nets(nets, arm, metric) for arm in arms}
    both = interactions(chosen, TASKS[task], resampling, resolution)
    constant = 0.5 if task == "classification" else scale / 2
    state = find_state(chosen, epochs, data, 100, metric, constant, resampling, resolution)
    advice = advise(results, nets, metric, resampling)
    score = next(one.test_score.mean for one in results if one.arm == advice.arm)
    reach = scale * 10.0 ** rng.uniform(-3, -0.5)
    ends = {"low": max(0.0, score - reach), "high": min(score + reach, metric.highest)}
    model = model_of(score).model_copy(update={"arm": advice.arm, "score": Interval(mean=score, **ends)})
    sure = metric.gain(ends["low" if metric.higher_is_better else "high"], constant) > 0
    return arms, advice, sure, write_verdict(TASKS[task], data, results, state, both, advice, resampling.unit, model)


def _claimed(verdict):
    """What the sentences say of each arm that they name, in terms of better and worse."""
    claims = {}
    for sentence in verdict:
        if sentence.startswith(("Use", "Try", "Stay")):
            continue
        for clause in sentence.rstrip(".").split("; "):
            for claim, pattern in CLAIMS.items():
                if found := pattern.match(clause[0].lower() + clause[1:]):
                    for name in re.split(r", | and ", found[1]):
                        claims.setdefault(name, set()).add(claim)
    return claims


def test_no_two_sentences_contradict_each_other(make_net, make_data):
    """Over random studies of one to six arms, two to eleven seeds, of large, small and no effects, of both tasks."""
    seen, unsure = set(), set()
    for number in range(400):
        arms, advice, sure, verdict = _random_study(np.random.default_rng(number), make_net, make_data)
        text, claims = " ".join(verdict), _claimed(verdict)
        told = f"study {number}: {text}"
        assert not NOTHING.search(text), told
        assert all(len(own) == 1 for own in claims.values()), told
        advised = re.search(r"(Use|Try|Stay with) (.+?)(?: at rate| with decay| for now|:)", text)
        assert advised is not None, told
        own = claims.get(advised[2], set())
        assert not own & {"worse", "unknown"}, told
        better = {name for name, claim in claims.items() if "better" in claim}
        if advised[2] == "the plain net":
            # An arm that is better is not passed over in silence.
            assert not better or re.search("though (seemingly )?better on test rows", text), told
        else:
            assert advised[2] == arm_words(advice.arm)
            assert advised[1] != "Use" or not own or own == {"better"}, told
        assert "overfits" not in text or "is fine" not in text, told
        # A model that is surely better than a constant is not called unreliable, nor are the nets that it is made of.
        assert not (sure and "relied" in text), told
        assert not (sure and advice.arm == "plain" and "not surely better than always" in text), told
        unsure |= {sure}
        if len(arms) > 4:
            arms_sentence = next(one for one in verdict if re.search(r"\bhelps?\b|harm|evidence", one))
            assert len(arms_sentence.split("; ")) <= 4, told
        if advice.units < 5:
            assert not re.search(r"\b(helps|does harm)\b", text), told
            assert "too few to be sure" in text, told
        seen |= {next(iter(own)) for own in claims.values()} | {advised[1], advised[2] == "the plain net"}
    assert unsure == {True, False}
    assert seen >= {"better", "worse", "perhaps better", "unknown", "Use", "Try", "Stay with", True, False}
