import json
from itertools import pairwise

import pytest

from dropnorm.report import drawing, figures, style
from dropnorm.report.arm_styles import arm_styles
from dropnorm.report.figures import ArmCurves, ArmDifferences, ArmInterval, Curve, LearningCurves
from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.task import ACCURACY, RMSE

HOSTILE = "<b>x</b>"
STYLES = arm_styles(ARMS)


def learning_curves(curves):
    """The figure of each arm."""
    return {panel.arm: panel.figure for panel in drawing.draw_learning_curves(curves, STYLES)}


def only(panels):
    """The only figure."""
    (panel,) = panels
    return panel.figure


def lines(figure):
    """The traces of a panel that are lines, in the order drawn."""
    return [trace for trace in figure.data if trace.mode == "lines" and trace.fill is None]


@pytest.mark.parametrize("measured", ["loss", "score"])
def test_learning_curves_are_a_panel_per_arm_on_common_axes(make_run, measured):
    panels = learning_curves(figures.learning_curves(make_run(), measured))
    assert list(panels) == list(ARMS)
    assert len({tuple(panel.layout.xaxis.range) for panel in panels.values()}) == 1
    assert len({tuple(panel.layout.yaxis.range) for panel in panels.values()}) == 1
    axis = panels["plain"].layout.yaxis
    assert axis.title.text == {"loss": "loss (logarithmic)", "score": "accuracy, %"}[measured]
    assert axis.type == {"loss": "log", "score": None}[measured]
    assert panels["plain"].layout.xaxis.title.text == "epoch"


def test_train_is_dashed_validation_solid_in_the_arms_colour_over_plains(make_run):
    curves = figures.learning_curves(make_run(), "score")
    plain, dropout = curves.arms[:2]
    panel = learning_curves(curves)["dropout"]
    reference, train, validation = lines(panel)
    assert (reference.y, reference.line.color) == (plain.validation.median, STYLES["plain"].colour)
    assert (train.y, train.line.dash) == (dropout.train.median, style.DASHED)
    assert (validation.y, validation.line.dash) == (dropout.validation.median, "solid")
    assert train.line.color == validation.line.color == STYLES["dropout"].colour
    assert validation.x == dropout.validation.epochs


def test_plain_is_not_drawn_under_itself(make_run):
    panel = learning_curves(figures.learning_curves(make_run(), "loss"))["plain"]
    assert len(lines(panel)) == 2


def test_a_band_runs_along_the_top_and_back_along_the_bottom():
    curve = Curve(epochs=(1, 2), median=(50.0, 60.0), low=(40.0, 50.0), high=(60.0, 70.0), nets=(3, 3))
    arm = ArmCurves("plain", curve, curve, best_epoch=2, best_value=60.0)
    panel = learning_curves(LearningCurves("score", ACCURACY, (arm,)))["plain"]
    band = next(trace for trace in panel.data if trace.fill == "toself")
    assert band.x == (1, 2, 2, 1)
    assert band.y == (60.0, 70.0, 50.0, 40.0)


def test_the_median_best_epoch_is_marked(make_run):
    curves = figures.learning_curves(make_run(), "loss")
    panel = learning_curves(curves)["dropout"]
    (mark,) = [trace for trace in panel.data if trace.mode == "markers"]
    assert (mark.x, mark.y) == ((curves.arms[1].best_epoch,), (curves.arms[1].best_value,))


def test_a_loss_of_zero_can_be_drawn_on_the_logarithmic_axis():
    zero = Curve(epochs=(1, 2), median=(1.0, 0.0), low=(1.0, 0.0), high=(1.0, 0.0), nets=(3, 3))
    loss = Curve(epochs=(1, 2), median=(1.0, 0.5), low=(1.0, 0.5), high=(1.0, 0.5), nets=(3, 3))
    panel = learning_curves(
        LearningCurves("loss", ACCURACY, (ArmCurves("plain", zero, loss, best_epoch=2, best_value=0.5),))
    )["plain"]
    assert all(value > 0 for trace in panel.data for value in trace.y)


def test_a_line_is_faint_from_where_the_first_net_has_stopped():
    values = (5.0, 4.0, 3.0, 2.0)
    curve = Curve(epochs=(1, 2, 3, 4), median=values, low=values, high=values, nets=(4, 4, 3, 2))
    figure = learning_curves(LearningCurves("loss", ACCURACY, (ArmCurves("dropout", curve, curve, 2, 4.0),)))["dropout"]
    whole, faint = (trace for trace in lines(figure) if trace.line.dash == "solid")
    assert (whole.x, whole.y, whole.opacity) == ((1, 2), (5.0, 4.0), 1.0)
    assert (faint.x, faint.y) == ((2, 3, 4), (4.0, 3.0, 2.0)), "it begins where the other ends, without a gap"
    assert faint.opacity < 0.6
    assert faint.customdata == (4, 3, 2)


def test_a_single_epoch_is_drawn_as_points(make_run):
    curve = Curve(epochs=(1,), median=(2.0,), low=(2.0,), high=(2.0,), nets=(3,))
    figure = learning_curves(LearningCurves("loss", ACCURACY, (ArmCurves("dropout", curve, curve, 1, 2.0),)))["dropout"]
    train, validation, _ = (trace for trace in figure.data if trace.mode == "markers")
    assert train.marker.symbol != validation.marker.symbol


def test_no_curves_are_no_panels():
    assert drawing.draw_learning_curves(LearningCurves("loss", ACCURACY, ()), STYLES) == []


def test_generalization_gaps_are_points_with_their_intervals_first_arm_on_top():
    gaps = [ArmInterval("plain", 4.0, 3.0, 6.0), ArmInterval("dropout", 1.0, -0.5, 2.0)]
    figure = only(drawing.draw_generalization_gaps(gaps, ACCURACY, STYLES))
    plain, dropout = figure.data
    assert (plain.x, dropout.x) == ((4.0,), (1.0,))
    assert (plain.error_x.array, plain.error_x.arrayminus) == ((2.0,), (1.0,))
    assert (dropout.error_x.array, dropout.error_x.arrayminus) == ((1.0,), (1.5,))
    assert (plain.marker.color, dropout.marker.color) == (STYLES["plain"].colour, STYLES["dropout"].colour)
    assert (plain.marker.symbol, dropout.marker.symbol) == ("circle", STYLES["dropout"].symbol)
    bottom, top = figure.layout.yaxis.range
    assert bottom > dropout.y[0] > plain.y[0] > top
    assert figure.layout.yaxis.ticktext == ("plain", "dropout")
    assert figure.layout.xaxis.title.text == "generalization gap in accuracy, pp"
    assert figure.layout.xaxis.range[0] < -0.5
    assert figure.layout.xaxis.range[1] > 6.0


def test_paired_differences_have_dots_a_mean_and_a_zero_line():
    one = ArmDifferences((1.0, -2.0, 3.0), ArmInterval("dropout", 0.7, -50.0, 60.0))
    figure = only(drawing.draw_paired_differences([one], ACCURACY, STYLES))
    dots, mean = figure.data
    assert dots.x == (1.0, -2.0, 3.0)
    assert mean.x == (0.7,)
    assert figure.layout.xaxis.zeroline
    assert figure.layout.xaxis.title.text == "difference to plain in test accuracy, pp"
    low, high = figure.layout.xaxis.range
    assert low < -50
    assert high > 60


@pytest.mark.parametrize("seeds", [(0.0,) * 10, (0.1 + 0.2, 0.3, 0.3), (1.0, 1.001, 1.002, 1.003)])
def test_dots_of_equal_differences_do_not_hide_one_another(seeds):
    one = ArmDifferences(seeds, ArmInterval("dropout", 0.0, 0.0, 0.0))
    dots, mean = only(drawing.draw_paired_differences([one], ACCURACY, STYLES)).data
    heights = sorted(dots.y)
    assert all(upper - lower > 0.03 for lower, upper in pairwise(heights))
    assert heights[0] > -0.5
    assert heights[-1] < mean.y[0]


def test_all_that_enters_plotly_as_text_is_escaped(make_run):
    interval = ArmInterval(HOSTILE, 1.0, 0.0, 2.0)
    styles = arm_styles([HOSTILE])
    drawn = [
        *drawing.draw_generalization_gaps([interval], ACCURACY, styles),
        *drawing.draw_paired_differences([ArmDifferences((1.0,), interval)], ACCURACY, styles),
    ]
    for panel in drawn:
        text = json.dumps(panel.figure.to_plotly_json())
        assert HOSTILE not in text
        assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_figures_are_small_plain_data(make_run):
    for panel in learning_curves(figures.learning_curves(make_run(), "loss")).values():
        assert len(json.dumps(panel.to_plotly_json())) < 8_000


def test_an_error_is_drawn_in_its_own_unit():
    gaps = [ArmInterval("plain", 0.004, 0.003, 0.005)]
    figure = only(drawing.draw_generalization_gaps(gaps, RMSE, STYLES))
    assert figure.layout.xaxis.title.text == "generalization gap in RMSE"
    assert figure.layout.xaxis.range[1] < 0.01
    assert (
        figure.data[0].hovertemplate == "%{x:.4g} (95 %: %{customdata[0]:.4g} to %{customdata[1]:.4g})<extra></extra>"
    )
    one = ArmDifferences((-0.001, -0.002), gaps[0])
    figure = only(drawing.draw_paired_differences([one], RMSE, STYLES))
    assert figure.layout.xaxis.title.text == "difference to plain in test RMSE"
    assert figure.data[0].hovertemplate == "one seed: %{x:+.4g}<extra></extra>"
