import pytest

from dropnorm.report.arm_styles import arm_styles
from dropnorm.report.sizes import draw_size_differences, draw_size_scores, size_curves
from dropnorm.study.arms import DEFAULT
from dropnorm.study.records import CurvePoint, Interval
from dropnorm.study.task import ACCURACY

STYLES = arm_styles(DEFAULT)


@pytest.fixture(scope="module")
def curves(make_run):
    run = make_run(arms=("plain", "dropout"))

    def point(arm, rows, score, difference):
        made = Interval(mean=score, low=score - 0.05, high=score + 0.05)
        between = None if arm == "plain" else Interval(mean=difference, low=difference - 0.02, high=difference + 0.02)
        return CurvePoint(arm=arm, fraction=rows / 1000, rows=rows, test_score=made, difference=between)

    points = (
        point("plain", 100, 0.6, 0),
        point("dropout", 100, 0.59, -0.01),
        point("plain", 1000, 0.8, 0),
        point("dropout", 1000, 0.85, 0.05),
    )
    return size_curves(run.model_copy(update={"summary": run.summary.model_copy(update={"learning_curve": points})}))


def test_each_arm_has_its_points_in_the_unit_of_the_metric(curves):
    plain, dropout = curves
    assert (plain.arm, plain.rows, plain.difference) == ("plain", (100, 1000), ())
    assert [one.mean for one in dropout.score] == pytest.approx([59.0, 85.0])
    assert [one.low for one in dropout.difference] == pytest.approx([-3.0, 3.0])


def test_all_scores_are_in_one_figure_over_a_logarithmic_axis(curves):
    (panel,) = draw_size_scores(curves, ACCURACY, STYLES)
    figure = panel.figure
    assert [line.marker.symbol for line in figure.data] == ["circle", STYLES["dropout"].symbol]
    assert [list(line.y) for line in figure.data] == [[60.0, 80.0], [59.0, 85.0]]
    assert figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["100", "1,000"]
    low, high = figure.layout.xaxis.range
    assert low < 2
    assert high > 3


def test_differences_have_a_panel_per_other_arm_with_a_zero_line(curves):
    (panel,) = draw_size_differences(curves, ACCURACY, STYLES)
    figure = panel.figure
    assert panel.arm == "dropout"
    band, line = figure.data
    assert list(band.y) == pytest.approx([1.0, 7.0, 3.0, -3.0])
    assert list(line.y) == pytest.approx([-1.0, 5.0])
    low, high = figure.layout.yaxis.range
    assert low < -3
    assert high > 7
    assert figure.layout.yaxis.zeroline


def test_without_a_learning_curve_nothing_is_drawn(make_run):
    assert size_curves(make_run()) == ()
    assert draw_size_scores((), ACCURACY, STYLES) == []
    assert draw_size_differences((), ACCURACY, STYLES) == []
