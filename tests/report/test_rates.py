import math
from dataclasses import replace

import pytest

import dropnorm as dn
from dropnorm.report import style
from dropnorm.report.arm_styles import arm_styles
from dropnorm.report.rates import draw_rate_curves, nets_by_rate, rate_curves
from dropnorm.study.arms import DEFAULT
from dropnorm.study.records import Interval
from dropnorm.study.task import ACCURACY, RMSE

STYLES = arm_styles(DEFAULT)


def test_each_arm_with_dropout_has_a_curve_from_the_arm_without(make_run):
    run = make_run()
    curves = rate_curves(run)
    assert [curve.arm for curve in curves] == ["dropout", "dropout+batch_norm"]
    for curve, without in zip(curves, ("plain", "batch_norm"), strict=True):
        assert curve.rates == (0.0, 0.1, 0.3, 0.5)
        for rate, test, validation in zip(curve.rates, curve.test, curve.validation, strict=True):
            own = [net for net in run.nets if (net.arm, net.rate) == (curve.arm if rate else without, rate)]
            assert test.mean == pytest.approx(100 * sum(net.test_score for net in own) / 3)
            assert validation.mean == pytest.approx(100 * sum(net.validation_score for net in own) / 3)
            assert 0 <= test.low <= test.mean <= test.high <= 100


def test_the_interval_without_dropout_is_that_of_the_table():
    """Both are the corrected interval of the same nets; only a real study has the table's."""
    run = dn.run_study("iris", seeds=3, epochs=2, hidden=(8,), dropout=(0.2, 0.5), batch_size=16).run
    curve = rate_curves(run)[0]
    plain = run.summary.arms[0].test_score
    assert (curve.test[0].low, curve.test[0].high) == pytest.approx((100 * plain.low, 100 * plain.high))


def test_the_seeds_that_chose_a_rate_are_counted(make_run):
    run = make_run()
    for curve, result in zip(rate_curves(run), (run.summary.arms[1], run.summary.arms[3]), strict=True):
        assert curve.chosen[0] is None
        assert [count for count in curve.chosen if count is not None] == [
            result.rates.count(rate) for rate in (0.1, 0.3, 0.5)
        ]


def test_of_several_decays_at_one_rate_a_seed_takes_the_best_on_validation(make_run):
    run = make_run()
    arm = run.summary.config.arms[1]
    net = next(net for net in run.nets if (net.arm, net.rate, net.seed) == ("dropout", 0.3, 0))
    better = net.model_copy(update={"net": 999, "weight_decay": 0.1, "validation_loss": net.validation_loss / 2})
    nets = nets_by_rate(run.model_copy(update={"nets": (*run.nets, better)}), arm)
    assert [len(own) for own in nets.values()] == [3, 3, 3, 3]
    assert nets[0.3][0].net == 999


def test_one_rate_without_a_partner_is_no_curve(make_run):
    run = make_run()
    alone = tuple(
        arm.model_copy(
            update={"dropout": arm.dropout[:1]} if arm.dropout else {"max_norm": 3.0 if arm.batch_norm else None}
        )
        for arm in run.summary.config.arms
    )
    config = replace(run.summary.config, arms=alone)
    changed = run.model_copy(update={"summary": run.summary.model_copy(update={"config": config})})
    assert [curve.arm for curve in rate_curves(changed)] == ["dropout"]


def test_a_quantity_keeps_its_unit(regression):
    means = [one.mean for curve in rate_curves(regression) for one in curve.test]
    nets = [net.test_score for net in regression.nets]
    assert min(nets) <= min(means) <= max(means) <= max(nets)


def test_a_panel_has_both_scores_and_a_tick_at_each_rate(make_run):
    curves = rate_curves(make_run())
    panels = draw_rate_curves(curves, ACCURACY, STYLES)
    figures = [panel.figure for panel in panels]
    assert [panel.arm for panel in panels] == [curve.arm for curve in curves]
    assert len(figures) == 2
    for curve, figure in zip(curves, figures, strict=True):
        validation, test = figure.data
        assert list(test.y) == [one.mean for one in curve.test]
        assert list(validation.y) == [one.mean for one in curve.validation]
        assert (test.line.dash, validation.line.dash) == ("solid", style.DASHED)
        assert test.error_y.array[1] == pytest.approx(curve.test[1].high - curve.test[1].mean)
        assert validation.error_y.array is None
        assert list(figure.layout.xaxis.tickvals) == [0.0, 0.1, 0.3, 0.5]
        assert figure.layout.xaxis.ticktext[0] == "none<br>"
        assert figure.layout.xaxis.ticktext[1] == f"0.1<br>×{curve.chosen[1]}"
    assert figures[0].layout.yaxis.range == figures[1].layout.yaxis.range


def test_a_diverged_net_leaves_a_figure_of_finite_axes(make_run):
    (curve, *_) = rate_curves(make_run())
    endless = Interval(mean=math.inf, low=-math.inf, high=math.inf)
    broken = type(curve)(curve.arm, curve.rates, curve.validation, (*curve.test[:3], endless), curve.chosen)
    (panel,) = draw_rate_curves([broken], RMSE, STYLES)
    figure = panel.figure
    assert all(map(math.isfinite, figure.layout.yaxis.range))
    assert all(map(math.isfinite, figure.data[1].error_y.array))
