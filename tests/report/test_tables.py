from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from dropnorm.report import tables
from dropnorm.study.records import EpochsToReach, Interaction, Interval, SharedScale


def with_arm(run, arm, **update):
    arms = tuple(result.model_copy(update=update) if result.arm == arm else result for result in run.summary.arms)
    return run.summary.model_copy(update={"arms": arms})


def row_of(table, arm):
    headers = [column.header for column in table.columns]
    return dict(zip(headers, next(row for row in table.rows if row[0] == arm), strict=True))


def test_a_row_holds_each_number_with_its_interval_in_its_unit(make_run):
    summary = with_arm(
        make_run(),
        "dropout",
        rates=(0.3, 0.3, 0.3),
        statistics={
            "test_score": Interval(mean=0.97312, low=0.9604, high=0.9849),
            "generalization_gap": Interval(mean=0.0211, low=-0.0012, high=0.0434),
        },
        epochs_to_plain_best=EpochsToReach(reached=9, of=10, median_epochs=12.5, median_steps=445.5),
        comparisons=(
            make_run()
            .summary.arms[1]
            .comparison.model_copy(
                update={"interval": Interval(mean=-0.00331, low=-0.012, high=0.00534), "p_holm": 0.41234}
            ),
        ),
    )
    assert row_of(tables.arm_table(summary), "dropout") == {
        "arm": "dropout",
        "dropout rate": "0.3",
        "test accuracy, %": "97.3 (96.0 to 98.5)",
        "difference to plain, pp": "−0.3 (−1.2 to +0.5)",
        "p (Holm)": "0.41",
        "generalization gap, pp": "2.1 (−0.1 to 4.3)",
        "median epochs to plain's best": "12.5 (446 steps, 9 of 10 nets)",
    }


def test_plain_is_not_compared_with_itself_and_drops_nothing(make_run):
    row = row_of(tables.arm_table(make_run().summary), "plain")
    assert (row["dropout rate"], row["difference to plain, pp"], row["p (Holm)"]) == ("–", "–", "–")


def test_the_adjusted_p_value_is_shown_not_the_raw_one(make_run):
    row = row_of(tables.arm_table(make_run(p_value=0.06).summary), "dropout")
    assert row["p (Holm)"] == "0.060"


def test_rates_that_differ_between_seeds_are_shown_as_a_range(make_run):
    summary = with_arm(make_run(), "dropout", rates=(0.3, 0.1, 0.5))
    assert row_of(tables.arm_table(summary), "dropout")["dropout rate"] == "0.1–0.5"


def test_a_median_that_was_never_reached_is_said(make_run):
    never = EpochsToReach(reached=0, of=3, median_epochs=None, median_steps=None)
    summary = with_arm(make_run(), "dropout", epochs_to_plain_best=never)
    assert row_of(tables.arm_table(summary), "dropout")["median epochs to plain's best"] == "– (0 of 3 nets)"


@pytest.mark.parametrize("arm", ["plain", "dropout", "dropout+batch_norm"])
def test_the_advised_row_is_marked_not_the_best(make_run, arm):
    summary = make_run().summary
    advice = summary.advice.model_copy(update={"arm": arm})
    table = tables.arm_table(summary.model_copy(update={"advice": advice}))
    assert table.rows[table.marked][0] == arm


def test_every_row_has_a_cell_for_every_column(make_run):
    table = tables.arm_table(make_run(arms=("plain", "batch_norm"), seeds=2, flat=True).summary)
    assert [len(row) for row in table.rows] == [len(table.columns)] * 2
    assert row_of(table, "batch_norm")["difference to plain, pp"] == "0.0 (0.0 to 0.0)"


@pytest.mark.parametrize(
    ("p_value", "text", "relation"),
    [
        (0.0, "< 0.001", "< 0.001"),
        (0.00099, "< 0.001", "< 0.001"),
        (0.001, "0.001", "= 0.001"),
        (0.0432, "0.043", "= 0.043"),
        (0.432, "0.43", "= 0.43"),
        (1.0, "1.00", "= 1.00"),
    ],
)
def test_probability(p_value, text, relation):
    assert tables.probability(p_value) == text
    assert tables.probability(p_value, relation=True) == relation


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (8.44, "8.4 s"),
        (59.97, "1 min 0 s"),
        (200.4, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds, text):
    assert tables.duration(seconds) == text


def test_key_facts_count_the_run(make_run):
    run = make_run(seeds=3)
    # Per seed: plain and batch norm once each, dropout and both at three rates each.
    assert tables.key_facts(run) == (
        ("1,797", "rows"),
        ("64", "features"),
        ("10", "classes"),
        ("24", "nets trained"),
        ("3", "seeds"),
        ("1 min 23 s", "wall time"),
    )
    assert "wall time" not in dict(tables.key_facts(make_run(timing=False))).values()


@pytest.mark.parametrize(
    ("splits", "seeds", "expected"),
    [
        (None, 2, (("2", "seeds"),)),
        (1, 2, (("1", "split"), ("2", "seeds on each"))),
        (3, 1, (("3", "splits"), ("1", "seed on each"))),
    ],
)
def test_one_of_a_kind_is_told_in_the_singular(make_run, splits, seeds, expected):
    run = make_run()
    update = {"features": 1, "columns": 1, "classes": ("a", "b"), "class_rows": (900, 897)}
    data = run.summary.data.model_copy(update=update)
    config = replace(run.summary.config, splits=splits, seeds=seeds)
    summary = run.summary.model_copy(update={"data": data, "config": config, "steps_per_epoch": 1})
    run = run.model_copy(update={"summary": summary, "nets": run.nets[:1]})
    facts = tables.key_facts(run)
    assert facts[1:4] == (("1", "feature"), ("2", "classes"), ("1", "net trained"))
    assert facts[4:-1] == expected
    how = dict(tables.how_it_was_made(run))
    assert how["Data"] == "digits, 1,797 rows, 1 column"
    assert (how["Batch size"], how["Steps per epoch"]) == ("32 rows", "1")


def test_a_time_is_told_as_it_is_in_greenwich():
    at = datetime(2026, 3, 1, 1, 5, 59, tzinfo=timezone(timedelta(hours=2)))
    assert tables.moment(at) == "2026-02-28 23:05 UTC"


def test_how_it_was_made_tells_when(make_run):
    how = dict(tables.how_it_was_made(make_run()))
    assert (how["Begun"], how["Finished"]) == ("2026-03-01 23:30 UTC", "2026-03-01 23:31 UTC")
    older = make_run(timing=False).model_copy(update={"beginning": None})
    assert {"Begun", "Finished"}.isdisjoint(dict(tables.how_it_was_made(older)))


def test_how_it_was_made_tells_all_that_decides_the_numbers(make_run):
    run = make_run(seeds=3)
    how = dict(tables.how_it_was_made(run))
    assert how["Fingerprint of the data"] == run.summary.data.fingerprint
    assert how["Split"] == "1,149 train, 288 validation, 360 test rows"
    assert (how["Splits"], how["Seeds"]) == ("each seed has a split of its own", "3")
    assert (how["Validation size"], how["Test size"], how["Learning curve"]) == ("0.2", "0.2", "no")
    assert how["Arms"] == "plain, dropout, batch_norm, dropout+batch_norm"
    assert "Arm plain" not in how
    assert how["Arm dropout"] == "dropout at rate 0.1 or 0.3 or 0.5"
    assert how["Arm dropout+batch_norm"] == "dropout at rate 0.1 or 0.3 or 0.5, batch norm"
    assert (how["Net"], how["Hidden layers"], how["Activation"]) == ("dense", "128, 128 units", "relu")
    assert (how["Batch size"], how["Steps per epoch"]) == ("32 rows", "36")
    assert how["Learning rate"] == "0.001"
    assert (how["Epochs, at most"], how["Patience"], how["Device"]) == ("12", "200 steps, but 10 to 40 epochs", "cpu")
    assert "Channels" not in how, "a dense net has none"
    assert (how["Processor"], how["Threads"], how["Wall time"]) == ("A Processor 3000", "2", "1 min 23 s")
    assert (how["dropnorm"], how["PyTorch"]) == ("0.1.0", "2.13.0")


@pytest.mark.parametrize(
    ("update", "text"),
    [
        ({"given_test": True}, "; the test part was given"),
        ({"group": "patient"}, "; on average, as no group of patient is in two parts"),
        ({"time": "day"}, "; earlier by day to later"),
        ({"time": "day", "given_test": True}, "; the test part was given; earlier by day to later"),
    ],
)
def test_how_it_was_made_tells_what_split_the_rows(make_run, update, text):
    run = make_run()
    data = run.summary.data.model_copy(update=update)
    run = run.model_copy(update={"summary": run.summary.model_copy(update={"data": data})})
    how = dict(tables.how_it_was_made(run))
    assert how["Split"] == "1,149 train, 288 validation, 360 test rows" + text
    assert ("Test size" in how) == ("given_test" not in update), "the share of a given test part was not asked for"


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (
            {},
            "at most 12 epochs; a plateau is 10 epochs without progress on validation, or 0.5 times as many as its last "
            "progress took; a loss that falls by less than 0.002 is none; where a net goes back to its best weights, and on at "
            "0.2 times its learning rate, 2 times before it stops; the best epoch is that of the lowest loss",
        ),
        (
            {"growth": 0.0, "progress": 0.0, "drops": 0, "drop_to": 1.0, "stop_by": "score"},
            "at most 12 epochs; a plateau is 10 epochs without progress on validation; where a net stops; the best epoch is "
            "that of the highest score, and of equal ones the lowest loss",
        ),
    ],
)
def test_how_it_was_made_tells_how_a_net_was_trained(make_run, update, told):
    run = make_run()
    limits = run.summary.limits.model_copy(update=update)
    run = run.model_copy(update={"summary": run.summary.model_copy(update={"limits": limits})})
    assert dict(tables.how_it_was_made(run))["Training of a net"] == told


def test_how_it_was_made_without_timing_says_so(make_run):
    how = dict(tables.how_it_was_made(make_run(timing=False)))
    assert {how[label] for label in ("Processor", "Threads", "Wall time", "PyTorch")} == {"not recorded"}


def test_of_many_classes_the_first_are_named_and_the_rest_counted(make_run):
    shown = dict(tables.how_it_was_made(make_run(classes=tuple(f"c{i}" for i in range(100)))))
    assert shown["Classes (rows)"].startswith("c0 (170), c1 (171), ")
    assert shown["Classes (rows)"].endswith("c11 (172) and 88 more")
    assert dict(tables.how_it_was_made(make_run(classes=("a", "b"))))["Classes (rows)"] == "a (170), b (171)"


@pytest.mark.parametrize(
    ("mean", "p_value", "answer"),
    [(0.01, 0.01, "Yes"), (-0.01, 0.01, "No:"), (0.01, 0.05, "No evidence"), (-0.01, 0.3, "No evidence")],
)
def test_interaction_sentence_answers_by_sign_and_evidence(make_run, mean, p_value, answer):
    interval = Interval(mean=mean, low=mean - 0.005, high=mean + 0.005)
    run = make_run(interaction=Interaction(statistic="test_score", interval=interval, p_value=p_value))
    assert tables.interaction_sentence(run.summary)[0].startswith(answer)


def test_interaction_sentence_gives_the_interval(make_run):
    interval = Interval(mean=-0.0041, low=-0.0102, high=0.002)
    run = make_run(interaction=Interaction(statistic="test_score", interval=interval, p_value=0.171))
    assert tables.interaction_sentence(run.summary)[1] == (
        "Test accuracy with both differs by −0.4 pp from what the effects of dropout alone and of batch "
        "norm alone add up to (95 % interval −1.0 to +0.2 pp, p = 0.17)."
    )


def test_a_regression_has_its_error_in_four_digits_and_the_explained_variance(make_run, as_regression):
    summary = as_regression(make_run()).summary
    row = row_of(tables.arm_table(summary), "plain")
    assert list(row) == [
        "arm",
        "dropout rate",
        "test RMSE",
        "difference to plain",
        "p (Holm)",
        "generalization gap",
        "test R²",
        "median epochs to plain's best",
    ]
    assert (row["test RMSE"], row["test R²"]) == ("54.32 (48.89 to 59.75)", "0.426 (0.200 to 0.650)")


@pytest.mark.parametrize(
    ("score", "text"),
    [(123456.7, "123,457 (111,111 to 135,802)"), (0.0123456, "0.01235 (0.01111 to 0.01358)")],
)
def test_an_error_of_any_size_can_be_read(make_run, as_regression, score, text):
    assert row_of(tables.arm_table(as_regression(make_run(), score).summary), "plain")["test RMSE"] == text


def test_a_regression_tells_where_its_target_lies(make_run, as_regression):
    run = as_regression(make_run())
    assert tables.key_facts(run)[2] == ("77", "standard deviation of the target")
    how = dict(tables.how_it_was_made(run))
    assert how["Task"] == "regression, trained on mean squared error of the standardized target"
    assert how["Values of the target"] == "−25 to 346, mean 152.1, standard deviation 77"
    assert "Classes (rows)" not in how


def test_together_they_are_better_where_the_error_is_lower_than_the_effects_add_up_to(make_run, as_regression):
    interaction = Interaction(statistic="test_score", interval=Interval(mean=-2.0, low=-3.0, high=-1.0), p_value=0.01)
    answer, numbers = tables.interaction_sentence(as_regression(make_run(), interactions=(interaction,)).summary)
    assert answer.startswith("Yes")
    assert numbers == (
        "Test RMSE with both differs by −2.00 from what the effects of dropout alone and of batch norm alone add up to (95 % "
        "interval −3.00 to −1.00, p = 0.010)."
    )


def test_interaction_sentence_of_two_arms_cannot_tell(make_run):
    summary = make_run(arms=("plain", "dropout")).summary
    assert tables.interaction_sentence(summary)[0] == "This run cannot tell."


@pytest.mark.parametrize(
    ("scaling", "scales", "told"),
    [
        ("auto", [], "that of each by itself"),
        ("each", [], "that of each by itself, as was asked for"),
        ("auto", [(64, "image")], "64 features share one (pixels of one channel), each other by itself"),
        ("auto", [(9, "image")] * 3, "3 times 9 features share one (pixels of one channel), each other by itself"),
        (
            "auto",
            [(1024, "range"), (8, "range")],
            "1,024 features share one (columns of numbers that span one range), 8 features share one (columns of numbers that "
            "span one range), each other by itself",
        ),
        ("shared", [(12, "asked")], "12 features share one (numbers, as was asked for), each other by itself"),
    ],
)
def test_how_it_was_made_tells_which_features_share_a_scale(make_run, scaling, scales, told):
    run = make_run()
    shared = tuple(SharedScale(features=features, evidence=evidence) for features, evidence in scales)
    update = {
        "data": run.summary.data.model_copy(update={"shared_scales": shared}),
        "config": replace(run.summary.config, scaling=scaling),
    }
    run = run.model_copy(update={"summary": run.summary.model_copy(update=update)})
    assert dict(tables.how_it_was_made(run))["Scale of the features"] == told
