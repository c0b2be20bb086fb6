import math

import pytest

from dropnorm.report import marks
from dropnorm.report.arm_styles import ArmStyle
from dropnorm.study.records import Interval

ARM = ArmStyle("#0072b2", "#0072b2", "9px,3px", "square")


def interval(mean, low, high):
    return Interval(mean=mean, low=low, high=high)


def test_means_have_their_intervals_as_bars_if_wanted():
    intervals = [interval(2.0, 1.0, 4.0), interval(3.0, 2.5, 3.25)]
    with_bars = marks.means([0.1, 0.5], intervals, ARM, "rate", bars=True)
    assert (list(with_bars.error_y.array), list(with_bars.error_y.arrayminus)) == ([2.0, 0.25], [1.0, 0.5])
    assert list(with_bars.customdata[0]) == [1.0, 4.0]
    without = marks.means([0.1, 0.5], intervals, ARM, "rate")
    assert without.error_y.array is None


def test_means_are_drawn_in_their_arms_colour_dash_and_symbol():
    drawn = marks.means([0.1], [interval(2.0, 1.0, 4.0)], ARM, "rate")
    assert (drawn.line.color, drawn.line.dash) == ("#0072b2", "9px,3px")
    assert (drawn.marker.color, drawn.marker.symbol) == ("#0072b2", "square")
    other = marks.means([0.1], [interval(2.0, 1.0, 4.0)], ARM, "rate", dash="solid", thin=True)
    assert other.line.dash == "solid"
    assert other.line.width < drawn.line.width


def test_an_endless_interval_has_no_bar():
    drawn = marks.means([1], [interval(math.inf, -math.inf, math.inf)], ARM, "rate", bars=True)
    assert (list(drawn.error_y.array), list(drawn.error_y.arrayminus)) == ([0.0], [0.0])


def test_a_band_is_one_closed_shape():
    shape = marks.band([1, 2, 3], [0, 1, 2], [5, 6, 7], "#0072b2")
    assert (list(shape.x), list(shape.y)) == ([1, 2, 3, 3, 2, 1], [5, 6, 7, 2, 1, 0])
    assert shape.fill == "toself"


def test_a_point_alone_is_seen():
    assert [marks.line_mode(points) for points in ([1], [1, 2])] == ["markers", "lines"]


@pytest.mark.parametrize(
    ("intervals", "low", "high"),
    [
        ([interval(2.0, 1.0, 4.0)], 1.0, 4.0),
        ([interval(2.0, -math.inf, math.inf), interval(5.0, 4.0, 6.0)], 2.0, 6.0),
        ([interval(3.0, 3.0, 3.0)], 3.0, 3.0),
        ([interval(0.0, 0.0, 0.0)], 0.0, 0.0),
        ([interval(math.inf, -math.inf, math.inf)], 0.0, 0.0),
    ],
)
def test_an_axis_holds_what_is_finite_and_has_a_width(intervals, low, high):
    bottom, top = marks.axis_over("accuracy, %", intervals)["range"]
    assert bottom < low
    assert top > high
    assert top - bottom < 1.2 * (high - low) + 2.1


def test_a_rate_axis_has_a_tick_at_each_rate():
    axis = marks.rate_axis([0.0, 0.1, 0.5], ["", "×2", "×1"])
    assert axis["tickvals"] == [0.0, 0.1, 0.5]
    assert axis["ticktext"] == ["none<br>", "0.1<br>×2", "0.5<br>×1"]
    assert axis["range"][0] < 0.0 < 0.5 < axis["range"][1]
    assert marks.rate_axis([0.5])["ticktext"] == ["0.5"]
