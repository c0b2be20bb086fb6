import pytest
from scipy import stats

from dropnorm.report.arm_styles import arm_styles
from dropnorm.report.effects import effect_table
from dropnorm.report.reliability import FEW, ReliabilityPanel, draw_reliability, reliability_panels
from dropnorm.study.arms import DEFAULT
from dropnorm.study.records import Interval

STYLES = arm_styles(DEFAULT)


def test_the_chosen_nets_of_an_arm_are_pooled(make_run):
    run = make_run()
    (panel, *others) = reliability_panels(run)
    assert [one.arm for one in (panel, *others)] == ["plain", "dropout", "batch_norm", "dropout+batch_norm"]
    tests = [net.test_score for net in run.nets if net.net in run.summary.arms[0].nets]
    assert panel.predictions == (180, 900)
    assert panel.confidence == pytest.approx((63.0, 99.0))
    assert [one.mean for one in panel.right] == pytest.approx([50.0, 100 * sum(tests) / 3], abs=0.1)
    assert sum(panel.shares) == pytest.approx(100.0)
    assert (len(panel.shares), panel.shares[9]) == (15, pytest.approx(100 / 6))


def test_the_share_of_hits_has_wilsons_interval(make_run):
    (panel, *_) = reliability_panels(make_run())
    # Of 90 hits in 180, by Wilson's formula with z = 1.95996
    z = stats.norm.ppf(0.975)
    center, half = (90 + z**2 / 2) / (180 + z**2), z / (180 + z**2) * (90 * 90 / 180 + z**2 / 4) ** 0.5
    assert (panel.right[0].low, panel.right[0].high) == pytest.approx((100 * (center - half), 100 * (center + half)))


def test_the_calibration_error_is_the_one_that_tables_have(make_run):
    summary = make_run().summary
    rows = [row for row in effect_table(summary).rows if row[1] == "calibration error, pp"]
    plain, *others = [panel.error for panel in reliability_panels(make_run())]
    assert {plain} == {f"calibration error {row[2].split(' → ')[0]} pp" for row in rows}
    assert others == [f"calibration error {row[2].split(' → ')[1]} pp" for row in rows]


def test_nets_without_confidence_have_no_panel(make_run):
    run = make_run()
    nets = tuple(net.model_copy(update={"reliability": None}) for net in run.nets)
    assert reliability_panels(run.model_copy(update={"nets": nets})) == ()


def test_a_panel_has_the_diagonal_the_points_and_the_histogram(make_run):
    panels = reliability_panels(make_run())
    drawn = draw_reliability(panels, STYLES)
    assert [one.arm for one in drawn] == list(DEFAULT)
    assert drawn[1].beside == panels[1].error
    diagonal, few, points, bars = drawn[1].figure.data
    assert (tuple(diagonal.x), tuple(diagonal.y)) == ((0, 100), (0, 100))
    assert points.x == panels[1].confidence
    assert points.y == tuple(one.mean for one in panels[1].right)
    assert points.error_y.array == pytest.approx([one.high - one.mean for one in panels[1].right])
    assert few.x == ()
    assert bars.y == panels[1].shares
    assert bars.x[0] == pytest.approx(100 / 30)


def test_bins_of_few_predictions_are_faint_and_not_joined():
    wide, narrow = Interval(mean=0.0, low=0.0, high=79.0), Interval(mean=90.0, low=85.0, high=94.0)
    panel = ReliabilityPanel("dropout", (30.0, 50.0, 90.0), (wide, narrow, narrow), (1, FEW, 900), (1.0, 2.0, 97.0), "")
    _, few, many, _ = draw_reliability([panel], STYLES)[0].figure.data
    assert (few.x, many.x) == ((30.0,), (50.0, 90.0))
    assert few.opacity < 0.5 < many.opacity
    assert (few.mode, many.mode) == ("markers", "lines+markers")
    assert few.error_y.array == (79.0,)
    assert [row[0] for row in few.customdata] == ["1 prediction"]
    assert [row[0] for row in many.customdata] == ["20 predictions", "900 predictions"]
