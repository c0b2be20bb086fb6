import pytest

from dropnorm.report.activity import activity_curves, draw_activity, draw_histograms
from dropnorm.report.arm_styles import arm_styles
from dropnorm.study.arms import DEFAULT

STYLES = arm_styles(DEFAULT)


def test_a_curve_per_arm_with_dropout_and_layer_starts_at_the_arm_without(make_run):
    run = make_run()
    curves = activity_curves(run)
    assert [(curve.arm, curve.layer) for curve in curves] == [
        ("dropout", 0),
        ("dropout", 1),
        ("dropout+batch_norm", 0),
        ("dropout+batch_norm", 1),
    ]
    for curve in curves:
        assert curve.rates == (0.0, 0.1, 0.3, 0.5)
        # The made-up activity, on average over seeds 0, 1 and 2.
        expected = [100 * (0.5 - 0.2 * rate - 0.1 * curve.layer + 0.01) for rate in curve.rates]
        assert [one.mean for one in curve.active] == pytest.approx(expected)
        assert all(0 <= one.low < one.mean < one.high <= 100 for one in curve.active)


def test_a_run_that_measured_nothing_has_no_curves(make_run):
    assert activity_curves(make_run().model_copy(update={"pictures": None})) == ()
    assert draw_activity((), STYLES) == []
    assert draw_histograms((), STYLES) == []


def test_a_panel_per_layer_has_silent_bars_and_the_distribution_of_both(make_run):
    panels = draw_histograms(make_run().pictures.histograms, STYLES)
    assert [panel.heading for panel in panels] == ["hidden layer 1", "hidden layer 2"]
    bar, steps, other_bar, other_steps = panels[0].figure.data
    assert (list(bar.y), list(other_bar.y)) == ([40.0], [70.0])
    assert list(steps.x) == [0.0, 1.0, 2.0]
    assert list(steps.y) == pytest.approx([40.0, 20.0, 20.0])
    assert list(other_steps.y) == pytest.approx([10.0, 20.0, 20.0])
    assert steps.line.shape == "hv"
    assert (steps.xaxis, bar.xaxis) == ("x2", None)
    assert "dropout 0.3" in other_bar.hovertemplate


def test_a_panel_per_layer_has_every_arm_on_common_axes(make_run):
    figures = [panel.figure for panel in draw_activity(activity_curves(make_run()), STYLES)]
    assert [line.marker.symbol for line in figures[0].data] == [
        STYLES[arm].symbol for arm in ("dropout", "dropout+batch_norm")
    ]
    assert [len(figure.data) for figure in figures] == [2, 2]
    assert figures[0].layout.yaxis.range == figures[1].layout.yaxis.range
    assert list(figures[0].layout.xaxis.ticktext) == ["none", "0.1", "0.3", "0.5"]
