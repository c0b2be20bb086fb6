"""The score against the dropout rate, as data and drawn: how much dropout, and what too much of it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropnorm.report import marks, style
from dropnorm.report.arm_styles import ArmStyle
from dropnorm.report.panels import Panel
from dropnorm.study.conclusions.pairs import without_dropout
from dropnorm.study.records import Arm, Interval, NetRecord, Run
from dropnorm.study.statistics.arms import interval_of
from dropnorm.study.statistics.catalogue import Statistic, statistics_of
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric, task_of


@dataclass(frozen=True)
class RateCurve:
    """The scores of one arm's nets at each rate, in the metric's unit.

    At rate 0 stand the nets of the arm that is alike but for dropout, if it was studied. `chosen` counts the seeds that chose
    a rate on validation; it is of no arm at rate 0.
    """

    arm: str
    rates: tuple[float, ...]
    validation: tuple[Interval, ...]
    test: tuple[Interval, ...]
    chosen: tuple[int | None, ...]


def rate_curves(run: Run) -> tuple[RateCurve, ...]:
    """Compute validation and test score at each rate, for each arm with at least two, no dropout counted as one."""
    statistics = statistics_of(task_of(run.summary))
    resampling = Resampling.of(run.summary.data, run.summary.config)
    curves = []
    for arm, result in zip(run.summary.config.arms, run.summary.arms, strict=True):
        nets = nets_by_rate(run, arm)
        if not arm.dropout or len(nets) < 2:
            continue
        curves.append(
            RateCurve(
                arm=arm.name,
                rates=tuple(nets),
                validation=_intervals(statistics["validation_score"], nets, resampling),
                test=_intervals(statistics["test_score"], nets, resampling),
                chosen=tuple(result.rates.count(rate) if rate else None for rate in nets),
            )
        )
    return tuple(curves)


def nets_by_rate(run: Run, arm: Arm) -> dict[float, list[NetRecord]]:
    """An arm's nets at each rate, a net per seed; at rate 0 those of the arm without dropout, if it was studied."""
    without = without_dropout(arm, run.summary.config.arms)
    metric = task_of(run.summary).metric
    nets = {} if without is None else {0.0: choose_nets(run.nets, without.name, metric)}
    for rate in sorted(set(arm.dropout)):
        nets[rate] = choose_nets([net for net in run.nets if net.rate == rate], arm.name, metric)
    return nets


def draw_rate_curves(curves: Sequence[RateCurve], metric: Metric, arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per arm on common axes: the test score solid with intervals, the validation score dashed."""
    vertical = marks.axis_over(metric.label, [one for curve in curves for one in (*curve.test, *curve.validation)])
    panels = []
    for curve in curves:
        arm = arms[curve.arm]
        figure = style.panel(235)
        for scores, name, dash in ((curve.validation, "validation", style.DASHED), (curve.test, "test", "solid")):
            tested = name == "test"
            hover = f"{name}, rate %{{x:g}}"
            figure.add_trace(marks.means(curve.rates, scores, arm, hover, dash=dash, thin=not tested, bars=tested))
        beneath = ["" if count is None else f"×{count}" for count in curve.chosen]
        figure.update_xaxes(marks.rate_axis(curve.rates, beneath))
        figure.update_yaxes(vertical)
        figure.update_layout(margin_b=58)
        panels.append(Panel.of_arm(figure, curve.arm))
    return panels


def _intervals(
    statistic: Statistic, nets: Mapping[float, Sequence[NetRecord]], resampling: Resampling
) -> tuple[Interval, ...]:
    """A mean score with its interval at each rate, in the score's unit."""
    found = [interval_of(statistic, own, resampling) for own in nets.values()]
    factor = statistic.notation.factor
    return tuple(Interval(mean=factor * one.mean, low=factor * one.low, high=factor * one.high) for one in found if one)
