import pytest

from dropnorm.report.reliability import draw_reliability, reliability_panels


def test_the_chosen_nets_of_an_arm_are_pooled(make_run):
    run = make_run()
    (panel, *others) = reliability_panels(run)
    assert [one.arm for one in (panel, *others)] == ["plain", "dropout", "batch_norm", "dropout+batch_norm"]
    tests = [net.test_score for net in run.nets if net.net in run.summary.arms[0].nets]
    assert panel.rows == (180, 900)
    assert panel.confidence == pytest.approx((63.0, 99.0))
    assert panel.accuracy == pytest.approx((50.0, 100 * sum(tests) / 3))
    assert sum(panel.shares) == pytest.approx(100.0)
    assert (len(panel.shares), panel.shares[9]) == (15, pytest.approx(100 / 6))
    assert panel.error == pytest.approx((180 * 13.0 + 900 * abs(99.0 - 100 * sum(tests) / 3)) / 1080)


def test_nets_without_confidence_have_no_panel(make_run):
    run = make_run()
    nets = tuple(net.model_copy(update={"reliability": None}) for net in run.nets)
    assert reliability_panels(run.model_copy(update={"nets": nets})) == ()


def test_a_panel_has_the_diagonal_the_points_and_the_histogram(make_run):
    panels = reliability_panels(make_run())
    figures = draw_reliability(panels)
    assert len(figures) == 4
    diagonal, points, bars = figures[1].data
    assert (tuple(diagonal.x), tuple(diagonal.y)) == ((0, 100), (0, 100))
    assert (points.x, points.y) == (panels[1].confidence, panels[1].accuracy)
    assert bars.y == panels[1].shares
    assert bars.x[0] == pytest.approx(100 / 30)
    assert "dropout" in figures[1].layout.title.text
    assert "pp, pooled" in figures[1].layout.title.text
