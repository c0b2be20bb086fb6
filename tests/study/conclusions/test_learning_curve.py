import pytest

from dropnorm.study.arms import named_arm
from dropnorm.study.conclusions.learning_curve import describe_curve, is_better, pays_from, summarize_curve
from dropnorm.study.records import CurveNet, CurvePoint, DataDescription, Interval, StudyConfig
from dropnorm.study.statistics.intervals import interval, p_value
from dropnorm.study.task import ACCURACY, RMSE


def points(arm, lows, *, rows=(10, 100, 1000), width=0.1):
    """Points of an arm whose differences to plain begin at these values, sure where these are not zero, and those of plain."""
    same = Interval(mean=0.5, low=0.4, high=0.6)
    made = []
    for row, low in zip(rows, lows, strict=True):
        difference = Interval(mean=low + width / 2, low=low, high=low + width)
        made.append(CurvePoint(arm="plain", fraction=row / 1000, rows=row, test_score=same, difference=None))
        p = 0.2 if difference.low < 0.0 < difference.high else 0.01
        made.append(
            CurvePoint(arm=arm, fraction=row / 1000, rows=row, test_score=same, difference=difference, p_holm=p)
        )
    return tuple(made)


@pytest.mark.parametrize(
    ("mean", "p", "metric", "better"),
    [
        (0.2, 0.04, ACCURACY, True),
        (0.2, 0.05, ACCURACY, False),
        (-0.2, 0.04, ACCURACY, False),
        (-0.2, 0.04, RMSE, True),
        (0.2, 0.04, RMSE, False),
        (0.0004, 0.04, ACCURACY, False),
        (0.2, None, ACCURACY, False),
    ],
)
def test_better_is_what_the_adjusted_test_shows_and_is_not_written_as_zero(mean, p, metric, better):
    same, change = Interval(mean=0.5, low=0.4, high=0.6), Interval(mean=mean, low=mean - 0.1, high=mean + 0.1)
    point = CurvePoint(arm="dropout", fraction=0.5, rows=9, test_score=same, difference=change, p_holm=p)
    assert is_better(point, metric) == better


@pytest.mark.parametrize(
    ("lows", "fewest", "told"),
    [
        ((0.1, 0.2, 0.3), 10, "dropout with batch norm beats plain at every size."),
        ((-0.1, 0.2, 0.3), 100, "dropout with batch norm beats plain from 100 rows on."),
        ((-0.1, 0.2, -0.05), None, "dropout with batch norm beats plain with 100 rows, but not with all."),
        ((0.1, -0.05, 0.1), 1000, "dropout with batch norm beats plain from 1,000 rows on."),
        ((-0.1, -0.2, -0.05), None, "no arm is shown to beat plain at any size"),
    ],
)
def test_an_arm_pays_from_the_fewest_rows_at_which_and_above_which_it_is_better(lows, fewest, told):
    made = points("dropout+batch_norm", lows)
    assert pays_from(made, "dropout+batch_norm", ACCURACY) == fewest
    assert told in describe_curve(made, ACCURACY, 10)


def test_several_arms_are_told_in_one_sentence():
    made = (*points("dropout", (-0.1, 0.1, 0.1)), *points("batch_norm", (-0.05, -0.05, -0.05)))
    assert describe_curve(made, ACCURACY, 10) == (
        "By the amount of training data (p values adjusted over the arms, size by size), dropout beats plain from 100 rows on; "
        "batch norm at no size."
    )
    assert "dropout seems to beat plain from 100 rows on" in describe_curve(made, ACCURACY, 4)


def data(train_rows=96):
    counts = {
        "rows": 160,
        "columns": 3,
        "features": 2,
        "train_rows": train_rows,
        "validation_rows": 32,
        "test_rows": 32,
    }
    kind = {"task": "classification", "target": "y", "classes": ("a", "b"), "class_rows": (80, 80), "quantity": None}
    return DataDescription(name="made up", fingerprint="sha256:0", **counts, **kind)


def curve_nets(make_net, fraction, scores, *, first):
    made = []
    for arm, own in scores.items():
        for seed, score in enumerate(own):
            net = make_net(first + len(made), arm, seed, 0.3 if arm == "dropout" else 0.0, test_score=score)
            made.append(CurveNet(**net.model_dump(), fraction=fraction, train_rows=round(96 * fraction)))
    return made


def test_no_size_is_taken_to_overlap_less_than_the_whole(make_net):
    config = StudyConfig(arms=(named_arm("plain"), named_arm("dropout", (0.3,))), seeds=3)
    few = {"plain": (0.5, 0.6, 0.7), "dropout": (0.6, 0.8, 0.75)}
    small = curve_nets(make_net, 0.25, few, first=100)
    whole = [
        make_net(net, arm, seed, 0.3 if arm == "dropout" else 0.0, test_score=0.9 + 0.01 * seed)
        for net, (arm, seed) in enumerate((arm, seed) for arm in ("plain", "dropout") for seed in range(3))
    ]
    found = summarize_curve(whole, small, data(), config)
    assert [(point.arm, point.fraction, point.rows) for point in found] == [
        ("plain", 0.25, 24),
        ("dropout", 0.25, 24),
        ("plain", 1.0, 96),
        ("dropout", 1.0, 96),
    ]
    # 32 test rows over 96 + 32 that are learned from and chosen by
    expected = interval([0.1, 0.2, 0.05], 32 / 128, 1 / 32)
    assert found[1].difference.low == pytest.approx(expected.low)
    tied = summarize_curve(
        whole, curve_nets(make_net, 0.25, {"plain": (0.5,) * 3, "dropout": (0.5,) * 3}, first=100), data(), config
    )
    assert tied[0].test_score.low < 0.5 < tied[0].test_score.high
    assert found[1].difference.mean == pytest.approx(0.35 / 3)
    assert (found[0].difference, found[0].p_holm) == (None, None)
    assert found[1].p_holm == pytest.approx(p_value([0.1, 0.2, 0.05], 32 / 128, 1 / 32)), (
        "of one other arm, nothing to adjust"
    )
    assert found[3].test_score.mean == pytest.approx(0.91)


def test_without_such_nets_there_is_no_curve(make_net):
    assert summarize_curve([make_net(0)], [], data(), StudyConfig(arms=(named_arm("plain"),))) == ()
