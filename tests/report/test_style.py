import math

import pytest

from dropnorm.report import style
from dropnorm.report.figures import ArmCurves, Curve, LearningCurves
from dropnorm.study.task import ACCURACY, RMSE


def curves(train, validation, measured="loss", metric=ACCURACY):
    epochs = tuple(range(1, len(train) + 1))
    arm = ArmCurves(
        arm="plain",
        train=Curve(epochs, train, train, train, (3,) * len(train)),
        validation=Curve(epochs, validation, validation, validation, (3,) * len(train)),
        best_epoch=1,
        best_value=validation[0],
    )
    return LearningCurves(measured, metric, (arm,))


def test_text_is_escaped_for_plotly():
    assert style.text("<b>a&b</b>") == "&lt;b&gt;a&amp;b&lt;/b&gt;"


def test_loss_axis_holds_all_validation_losses_and_train_losses_to_a_twentieth_of_them():
    low, high = style.loss_axis(curves((2.0, 1e-9), (2.5, 0.2)))["range"]
    assert 10**high >= 2.5
    assert 10**low == pytest.approx(0.01, rel=0.2)
    low, _ = style.loss_axis(curves((2.0, 0.1), (2.5, 0.2)))["range"]
    assert 0.08 < 10**low < 0.1


@pytest.mark.parametrize(("train", "validation"), [((0.0,), (0.0,)), ((1.0,), (1.0,)), ((0.0, 0.0), (5.0, 1e-6))])
def test_loss_axis_of_awkward_losses_is_finite_has_a_width_and_a_tick(train, validation):
    axis = style.loss_axis(curves(train, validation))
    low, high = axis["range"]
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert high - low > 0.1
    assert any(low <= math.log10(tick) <= high for tick in axis["tickvals"])


def test_score_axis_leaves_out_the_first_quarter_and_stays_below_a_hundred_or_so():
    rising = (10.0, 60.0, 90.0, 95.0, 96.0, 97.0, 98.0, 100.0)
    low, high = style.score_axis(curves(rising, rising, "score"))["range"]
    assert 50 < low < 60
    assert 100 < high < 103


def test_score_axis_of_one_flat_epoch_has_a_width():
    low, high = style.score_axis(curves((50.0,), (50.0,), "score"))["range"]
    assert low < 50 < high


def test_epoch_axis_has_whole_epochs():
    assert style.epoch_axis(1, 3)["dtick"] == 1
    assert "dtick" not in style.epoch_axis(1, 100)
    low, high = style.epoch_axis(1, 1)["range"]
    assert low < 1 < high


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.2, 0.3], [-40.0, 70.0], [3.0, 5.0]])
def test_around_zero_holds_zero_and_all_values_with_room(values):
    low, high = style.around_zero(values, 1.0)
    assert low < min(0, *values)
    assert high > max(0, *values)
    assert high - low == pytest.approx(max(1, high - low))


def test_a_panel_has_room_for_the_numbers_of_its_axis():
    figure = style.panel(300)
    assert figure.layout.height == 300
    assert figure.layout.margin.l > style.layout(300).margin.l


@pytest.mark.parametrize("loss", [(0.62, 0.45), (1.3, 1.15), (0.71, 0.5), (2.9, 1.05), (60.0, 0.002), (1e5, 3e-7)])
def test_a_loss_axis_has_a_few_ticks_however_narrow_it_is(loss):
    axis = style.loss_axis(curves(loss, loss))
    low, high = axis["range"]
    shown = [tick for tick in axis["tickvals"] if low <= math.log10(tick) <= high]
    assert 3 <= len(shown) <= 16


def test_layout_shows_no_legend_and_lets_the_page_scroll():
    layout = style.layout(200)
    assert (layout.height, layout.showlegend, layout.dragmode) == (200, False, False)
    assert layout.xaxis.fixedrange
    assert layout.yaxis.fixedrange


def test_score_axis_of_an_error_has_no_highest_and_fits_any_size():
    for factor in (1e-6, 1.0, 1e6):
        falling = tuple(factor * value for value in (900.0, 400.0, 300.0, 250.0))
        axis = style.score_axis(curves(falling, falling, "score", RMSE))
        low, high = axis["range"]
        assert axis["title"]["text"] == "RMSE"
        assert 200 * factor < low < 250 * factor
        assert 900 * factor < high < 1000 * factor


def test_score_axis_leaves_out_what_is_infinite():
    values = (math.inf, 3.0, 2.0)
    low, high = style.score_axis(curves(values, values, "score", RMSE))["range"]
    assert 1.5 < low < 2
    assert 3 < high < 3.5
    assert all(map(math.isfinite, style.score_axis(curves((math.inf,), (math.inf,), "score", RMSE))["range"]))


def test_around_zero_without_a_least_width_fits_what_is_small():
    low, high = style.around_zero([-1e-6, 2e-6], 0.0)
    assert high - low < 1e-5
    assert style.around_zero([0.0], 0.0) == [-0.5, 0.5]
