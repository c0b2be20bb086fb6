from dataclasses import replace

import pytest

from dropnorm.report import effects
from dropnorm.study.records import Interval, Power


def rows_of(summary):
    table = effects.effect_table(summary)
    headers = [column.header for column in table.columns]
    return [dict(zip(headers, row, strict=True)) for row in table.rows]


def with_comparison(run, **update):
    """The run with its dropout arm's comparison of the score changed, and that alone."""
    arm = run.summary.arms[1]
    changed = arm.model_copy(update={"comparisons": (arm.comparison.model_copy(update=update),)})
    return run.summary.model_copy(update={"arms": (run.summary.arms[0], changed)})


def test_each_arm_has_a_row_per_measure(make_run):
    rows = rows_of(make_run().summary)
    assert [row["arm"] for row in rows] == ["dropout"] * 4 + ["batch_norm"] * 4 + ["dropout+batch_norm"] * 4
    assert [row["measure"] for row in rows[:4]] == [
        "test accuracy, pp",
        "test log loss, nats",
        "calibration error, pp",
        "generalization gap, pp",
    ]


def test_a_row_holds_the_difference_both_intervals_and_what_it_would_take(make_run):
    summary = with_comparison(
        make_run(),
        interval=Interval(mean=0.0113, low=-0.0012, high=0.0238),
        bootstrap=Interval(mean=0.0113, low=0.0051, high=0.0202),
        p_holm=0.0312,
        power=Power(needed=1234, at_best=0.9, rows_factor=None),
    )
    plain, arm = (100 * result.test_score.mean for result in summary.arms)
    assert rows_of(summary) == [
        {
            "arm": "dropout",
            "measure": "test accuracy, pp",
            "plain → arm": f"{plain:.1f} → {arm:.1f}",
            "difference to plain": "+1.1 (−0.1 to +2.4)",
            "bootstrap": "+0.5 to +2.0",
            "p (Holm)": "0.031",
            "seeds to see it": "1,234",
        }
    ]


@pytest.mark.parametrize(
    ("factor", "text"), [(2.04, "– (2.0 × rows)"), (26.4, "– (26 × rows)"), (1e5, "– (> 1,000 × rows)"), (None, "–")]
)
def test_where_no_number_would_do_the_rows_that_would_are_told(make_run, factor, text):
    summary = with_comparison(make_run(), power=Power(needed=None, at_best=0.2, rows_factor=factor))
    assert rows_of(summary)[0]["seeds to see it"] == text


def test_of_several_seeds_a_split_the_splits_count(make_run):
    summary = make_run().summary
    config = replace(summary.config, splits=3, seeds=2)
    assert effects.unit_of_evidence(summary.model_copy(update={"config": config})) == "splits"
    for update in ({"splits": 1, "seeds": 5}, {"splits": 5, "seeds": 1}, {"splits": None}):
        config = replace(summary.config, **update)
        assert effects.unit_of_evidence(summary.model_copy(update={"config": config})) == "seeds"


def test_a_regression_has_no_nats(regression):
    summary = with_comparison(regression, interval=Interval(mean=-1.234, low=-2.0, high=0.5))
    (row,) = rows_of(summary)
    assert (row["measure"], row["difference to plain"]) == ("test RMSE", "−1.23 (−2.00 to +0.50)")
    assert [row["measure"] for row in rows_of(regression.summary)[:2]] == ["test RMSE", "test loss"]


def test_the_optimism_of_each_arm_with_a_choice_is_told(make_run):
    # Of seeds 0, 1 and 2, in steps of 1, 0.4 and 0.6 points
    table = effects.optimism_table(make_run().summary)
    assert [column.header for column in table.columns] == [
        "arm",
        "chosen nets, pp",
        "nets of a fixed setting, pp",
        "due to the choice, pp",
    ]
    dropout, both = table.rows
    assert dropout == ("dropout", "+1.0 (−0.3 to +2.3)", "+0.4 (−0.1 to +0.9)", "+0.6 (−0.2 to +1.4)")
    assert both[0] == "dropout+batch_norm"
    assert effects.optimism_table(make_run(arms=("plain", "batch_norm")).summary).rows == ()
