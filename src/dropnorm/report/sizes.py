"""The score against the amount of training data, as data and drawn: where each arm starts to pay."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dropnorm.report import marks, style
from dropnorm.report.arm_styles import ArmStyle
from dropnorm.report.panels import Panel
from dropnorm.study.records import Interval, Run
from dropnorm.study.task import Metric, task_of


@dataclass(frozen=True)
class SizeCurve:
    """One arm's test score, and its difference to plain, by the rows that were learned from, in the metric's unit."""

    arm: str
    rows: tuple[int, ...]
    score: tuple[Interval, ...]
    difference: tuple[Interval, ...]


def size_curves(run: Run) -> tuple[SizeCurve, ...]:
    """Collect each arm's points of the learning curve; none if the study did not train it."""
    points = run.summary.learning_curve
    factor = task_of(run.summary).metric.factor
    return tuple(
        SizeCurve(
            arm=arm,
            rows=tuple(point.rows for point in points if point.arm == arm),
            score=tuple(_scaled(point.test_score, factor) for point in points if point.arm == arm),
            difference=tuple(
                _scaled(point.difference, factor)
                for point in points
                if point.arm == arm and point.difference is not None
            ),
        )
        for arm in dict.fromkeys(point.arm for point in points)
    )


def draw_size_scores(curves: Sequence[SizeCurve], metric: Metric, arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw the test score of all arms over the training rows, on a logarithmic axis, in one figure if there are any."""
    if not curves:
        return []
    figure = go.Figure(layout=style.layout(320, left=56))
    for curve in curves:
        name = f"{style.text(curve.arm)}, %{{x:,}} rows"
        figure.add_trace(marks.means(curve.rows, curve.score, arms[curve.arm], name))
    figure.update_xaxes(_rows_axis(curves))
    # The intervals, which would cover one another, are those of the differences below.
    means = [Interval(mean=one.mean, low=one.mean, high=one.mean) for curve in curves for one in curve.score]
    figure.update_yaxes(marks.axis_over(f"test {metric.label}", means))
    return [Panel(figure)]


def draw_size_differences(curves: Sequence[SizeCurve], metric: Metric, arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per arm on common axes: the difference to plain over the training rows, its interval, and a zero line."""
    values = [value for curve in curves for one in curve.difference for value in (one.low, one.high)]
    vertical = {
        "title": {"text": metric.labelled("difference to plain")},
        "range": style.around_zero([value for value in values if math.isfinite(value)], metric.counted * 1.0),
        "zeroline": True,
        "zerolinewidth": 1.5,
        "zerolinecolor": style.ZERO,
    }
    panels = []
    for curve in (curve for curve in curves if curve.difference):
        arm = arms[curve.arm]
        figure = style.panel()
        low, high = [one.low for one in curve.difference], [one.high for one in curve.difference]
        figure.add_trace(marks.band(curve.rows, low, high, arm.colour))
        figure.add_trace(marks.means(curve.rows, curve.difference, arm, "%{x:,} rows", dash="solid"))
        figure.update_xaxes(_rows_axis(curves))
        figure.update_yaxes(vertical)
        panels.append(Panel.of_arm(figure, curve.arm))
    return panels


def _rows_axis(curves: Sequence[SizeCurve]) -> dict[str, Any]:
    """Lay a logarithmic axis over the training rows, with a tick at each size."""
    rows = sorted({rows for curve in curves for rows in curve.rows})
    low, high = math.log10(rows[0]), math.log10(rows[-1])
    margin = 0.05 * (high - low) or 0.1
    return {
        "title": {"text": "training rows (logarithmic)"},
        "type": "log",
        "range": [low - margin, high + margin],
        "tickvals": rows,
        "ticktext": [f"{one:,}" for one in rows],
    }


def _scaled(one: Interval, factor: float) -> Interval:
    return Interval(mean=factor * one.mean, low=factor * one.low, high=factor * one.high)
