import math

import pytest

from dropnorm.report.arm_styles import arm_styles
from dropnorm.report.bands import draw_unit_bands, unit_bands
from dropnorm.study.arms import DEFAULT
from dropnorm.study.pictures.records import UnitInput

STYLES = arm_styles(DEFAULT)


def test_without_and_with_batch_norm_stand_side_by_side_layer_by_layer(make_run):
    bands = unit_bands(make_run(epochs=5))
    assert [(one.layer, one.arm, one.unit) for one in bands] == [
        (0, "plain", 4),
        (0, "batch_norm", 4),
        (1, "plain", 5),
        (1, "batch_norm", 5),
    ]
    plain, normalized = bands[:2]
    assert plain.curve.epochs == (1, 2, 3, 4, 5)
    assert plain.curve.median == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5))
    assert plain.curve.low == pytest.approx((-0.9, -0.8, -0.7, -0.6, -0.5))
    assert normalized.curve.high == (2.0,) * 5


def test_nothing_measured_is_nothing_drawn(make_run):
    assert unit_bands(make_run(arms=("plain", "dropout"))) == ()
    assert draw_unit_bands((), STYLES) == []


def test_a_panel_has_the_band_and_three_lines_on_the_axes_of_its_layer(make_run):
    bands = unit_bands(make_run(epochs=5))
    panels = draw_unit_bands(bands, STYLES)
    figures = [panel.figure for panel in panels]
    assert len(figures) == 4
    band, low, high, median = figures[0].data
    assert list(band.y) == [*bands[0].curve.high, *reversed(bands[0].curve.low)]
    assert (low.y, high.y, median.y) == (bands[0].curve.low, bands[0].curve.high, bands[0].curve.median)
    assert figures[0].layout.yaxis.range == figures[1].layout.yaxis.range
    assert (panels[3].arm, panels[3].beside) == ("batch_norm", "hidden layer 2, unit 6")


def test_a_net_that_ran_away_leaves_a_finite_axis(make_run):
    run = make_run(epochs=5)
    away = UnitInput(net=run.unit_inputs[0].net, epoch=6, layer=0, unit=4, low=1.0, median=math.inf, high=math.inf)
    panels = draw_unit_bands(unit_bands(run.model_copy(update={"unit_inputs": (*run.unit_inputs, away)})), STYLES)
    assert all(map(math.isfinite, panels[0].figure.layout.yaxis.range))
