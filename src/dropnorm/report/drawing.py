"""Plotly figures from a run's figure data."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dropnorm.report import marks, style
from dropnorm.report.arm_styles import ArmStyle, transparent
from dropnorm.report.figures import ArmCurves, ArmDifferences, ArmInterval, Curve, LearningCurves
from dropnorm.report.panels import Panel
from dropnorm.study.task import Metric

_ROW_HEIGHT, _ROW_HEIGHT_WITH_SEEDS = 46, 68
_FAINT = 0.45
_LEAST_SPAN = 1.0  # percentage points


def draw_learning_curves(curves: LearningCurves, arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per arm on common axes: train dashed, validation solid, bands, plain's validation thin.

    Lines are faint from where the first of the nets has stopped.

    Args:
        curves: the data of all arms. Loss is drawn on a logarithmic axis, a score on a linear one.
        arms: the style of each.
    """
    if not curves.arms:
        return []
    vertical = style.loss_axis(curves) if curves.measured == "loss" else style.score_axis(curves)
    epochs = [epoch for arm in curves.arms for epoch in arm.validation.epochs]
    horizontal = style.epoch_axis(min(epochs), max(epochs))
    floor = 10 ** vertical["range"][0] / 10 if vertical.get("type") == "log" else -math.inf
    plain = next((arm for arm in curves.arms if arm.arm == "plain"), None)
    panels = []
    for arm in curves.arms:
        compared = (
            None
            if arm is plain or plain is None
            else _line(plain.validation, arms["plain"], "plain, validation", floor, width=1.2)
        )
        figure = _learning_curve(arm, compared or [], arms[arm.arm], floor)
        figure.update_xaxes(horizontal)
        figure.update_yaxes(vertical)
        panels.append(Panel.of_arm(figure, arm.arm))
    return panels


def draw_generalization_gaps(gaps: Sequence[ArmInterval], metric: Metric, arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw the generalization gap of each arm as a point with its interval, the first arm on top."""
    unit = metric.labelled(f"generalization gap in {metric.name}")
    figure = _rows_figure([gap.arm for gap in gaps], unit, _ROW_HEIGHT)
    for row, gap in enumerate(gaps):
        figure.add_trace(_interval(gap, row, metric, arms[gap.arm]))
    figure.update_xaxes(
        range=style.around_zero([v for gap in gaps for v in (gap.low, gap.high)], _LEAST_SPAN * metric.counted)
    )
    return [Panel(figure)]


def draw_paired_differences(
    differences: Sequence[ArmDifferences], metric: Metric, arms: Mapping[str, ArmStyle]
) -> list[Panel]:
    """Draw each arm's differences to plain: a dot per seed, and below them the mean with its interval."""
    if not differences:
        return []
    unit = metric.labelled(f"difference to plain in test {metric.name}")
    figure = _rows_figure([one.interval.arm for one in differences], unit, _ROW_HEIGHT_WITH_SEEDS)
    values = [v for one in differences for v in (*one.seeds, one.interval.low, one.interval.high)]
    span = style.around_zero(values, _LEAST_SPAN * metric.counted)
    for row, one in enumerate(differences):
        arm = arms[one.interval.arm]
        figure.add_trace(
            go.Scatter(
                x=one.seeds,
                y=[row - 0.12 - lift for lift in _stacked(one.seeds, (span[1] - span[0]) / 45)],
                mode="markers",
                marker={"color": arm.colour, "size": 7, "opacity": 0.55, "symbol": arm.symbol},
                hovertemplate=f"one seed: %{{x:+{_digits(metric)}}}{_unit(metric)}<extra></extra>",
            )
        )
        figure.add_trace(_interval(one.interval, row + 0.16, metric, arm, signed=True))
    figure.update_xaxes(range=span)
    return [Panel(figure)]


def _learning_curve(arm: ArmCurves, compared: Sequence[Any], drawn: ArmStyle, floor: float) -> go.Figure:
    """Draw one arm's learning curves, and behind them the lines that it is compared with."""
    figure = style.panel()
    for curve in (arm.train, arm.validation):
        figure.add_trace(_band(curve, drawn.colour, floor))
    figure.add_traces(
        [
            *compared,
            *_line(arm.train, drawn, "train", floor, dash=style.DASHED),
            *_line(arm.validation, drawn, "validation", floor),
        ]
    )
    figure.add_trace(
        go.Scatter(
            x=[arm.best_epoch],
            y=[max(arm.best_value, floor)],
            mode="markers",
            marker={"color": drawn.colour, "size": 11, "symbol": drawn.symbol},
            hovertemplate="median best epoch %{x:g}<extra></extra>",
        )
    )
    return figure


def _line(curve: Curve, drawn: ArmStyle, name: str, floor: float, width: float = 2.2, dash: str = "solid") -> list[Any]:
    """Draw the median of a curve: full as long as all nets train, and faint beyond."""
    last = max(curve.complete - 1, 0)
    parts = [(0, curve.complete, 1.0), (last, len(curve.epochs), _FAINT)]
    return [
        go.Scatter(
            x=curve.epochs[first:end],
            y=[max(value, floor) for value in curve.median[first:end]],
            mode=marks.line_mode(curve.epochs),
            line={"color": drawn.colour, "width": width, "dash": dash},
            marker={
                "color": drawn.colour,
                "size": 3 * width,
                "symbol": f"{drawn.symbol}-open" if dash != "solid" else drawn.symbol,
            },
            opacity=opacity,
            customdata=curve.nets[first:end],
            hovertemplate=f"{name}, epoch %{{x}}: %{{y:.4g}}, of %{{customdata}} nets<extra></extra>",
        )
        for first, end, opacity in parts
        if end > first + (opacity < 1.0)
    ]


def _band(curve: Curve, colour: str, floor: float) -> Any:
    """Draw the middle 70 % of the seeds as one closed shape."""
    return go.Scatter(
        x=curve.epochs + curve.epochs[::-1],
        y=[max(value, floor) for value in curve.high + curve.low[::-1]],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=transparent(colour, 0.17),
        hoverinfo="skip",
    )


def _interval(one: ArmInterval, row: float, metric: Metric, arm: ArmStyle, *, signed: bool = False) -> Any:
    """Draw a mean as a large point with its interval as a bar."""
    form = f"{'+' if signed else ''}{_digits(metric)}"
    return go.Scatter(
        x=[one.mean],
        y=[row],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.mean],
            "arrayminus": [one.mean - one.low],
            "thickness": 2.5,
            "width": 5,
        },
        mode="markers",
        marker={"color": arm.colour, "size": 12, "symbol": arm.symbol},
        customdata=[[one.low, one.high]],
        hovertemplate=f"%{{x:{form}}}{_unit(metric)} (95 %: %{{customdata[0]:{form}}} to "
        f"%{{customdata[1]:{form}}})<extra></extra>",
    )


def _digits(metric: Metric) -> str:
    """Say with how many digits a difference is shown under the pointer."""
    return ".4g" if metric.decimals is None else f".{metric.decimals + 1}f"


def _unit(metric: Metric) -> str:
    """Say what a difference is followed by."""
    return f" {metric.difference_unit}".rstrip()


def _rows_figure(arms: Sequence[str], unit: str, height: int) -> go.Figure:
    """Lay out an empty figure with a row per arm, the first on top, and a zero line."""
    figure = go.Figure(layout=style.layout(64 + height * len(arms)))
    figure.update_xaxes(title={"text": unit}, zeroline=True, zerolinewidth=1.5, zerolinecolor=style.ZERO)
    figure.update_yaxes(
        tickvals=list(range(len(arms))),
        # A break after the plus keeps the labels narrow enough for a telephone.
        ticktext=[style.text(arm).replace("+", " +<br>") for arm in arms],
        range=[len(arms) - 0.5, -0.5],
        tickfont={"weight": 600},
        showgrid=False,
        automargin=True,
    )
    return figure


def _stacked(values: Sequence[float], width: float) -> list[float]:
    """Say how far to lift each dot, so that those within one width of each other do not hide one another."""
    levels: dict[int, int] = {}
    for index in sorted(range(len(values)), key=values.__getitem__):
        taken = {level for other, level in levels.items() if values[index] - values[other] < width}
        levels[index] = next(level for level in range(len(values)) if level not in taken)
    step = min(0.11, 0.34 / max(*levels.values(), 1))
    return [step * levels[index] for index in range(len(values))]
