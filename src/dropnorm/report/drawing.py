"""Plotly figures from a run's figure data."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dropnorm.report import style
from dropnorm.report.figures import ArmCurves, ArmDifferences, ArmInterval, Curve, LearningCurves
from dropnorm.study.task import Metric

_ROW_HEIGHT = 68
_LEAST_SPAN = 1.0  # percentage points


def draw_learning_curves(curves: LearningCurves) -> dict[str, go.Figure]:
    """Draw a panel per arm on common axes: train dashed, validation solid, bands, plain's validation thin.

    Args:
        curves: the data of all arms. Loss is drawn on a logarithmic axis, a score on a linear one.
    """
    if not curves.arms:
        return {}
    vertical = style.loss_axis(curves) if curves.measured == "loss" else style.score_axis(curves)
    epochs = [epoch for arm in curves.arms for epoch in arm.validation.epochs]
    horizontal = style.epoch_axis(min(epochs), max(epochs))
    plain = next((arm for arm in curves.arms if arm.arm == "plain"), None)
    return {arm.arm: _panel(arm, plain, horizontal, vertical) for arm in curves.arms}


def draw_generalization_gaps(gaps: Sequence[ArmInterval], metric: Metric) -> go.Figure:
    """Draw the generalization gap of each arm as a point with its interval, the first arm on top."""
    figure = _rows_figure([gap.arm for gap in gaps], metric.labelled(f"generalization gap in {metric.name}"))
    for row, gap in enumerate(gaps):
        figure.add_trace(_interval(gap, row, metric))
    figure.update_xaxes(
        range=style.around_zero([v for gap in gaps for v in (gap.low, gap.high)], _LEAST_SPAN * metric.counted)
    )
    return figure


def draw_paired_differences(differences: Sequence[ArmDifferences], metric: Metric) -> go.Figure:
    """Draw each arm's differences to plain: a dot per seed, and below them the mean with its interval."""
    unit = metric.labelled(f"difference to plain in test {metric.name}")
    figure = _rows_figure([one.interval.arm for one in differences], unit)
    values = [v for one in differences for v in (*one.seeds, one.interval.low, one.interval.high)]
    span = style.around_zero(values, _LEAST_SPAN * metric.counted)
    for row, one in enumerate(differences):
        colour = style.colour(one.interval.arm)
        figure.add_trace(
            go.Scatter(
                x=one.seeds,
                y=[row - 0.12 - lift for lift in _stacked(one.seeds, (span[1] - span[0]) / 45)],
                mode="markers",
                marker={"color": colour, "size": 7, "opacity": 0.55},
                hovertemplate=f"one seed: %{{x:+{_digits(metric)}}}{_unit(metric)}<extra></extra>",
            )
        )
        figure.add_trace(_interval(one.interval, row + 0.16, metric, signed=True))
    figure.update_xaxes(range=span)
    return figure


def _panel(arm: ArmCurves, plain: ArmCurves | None, horizontal: dict[str, Any], vertical: dict[str, Any]) -> go.Figure:
    """Draw one arm's learning curves under its name."""
    colour = style.colour(arm.arm)
    figure = style.panel(style.arm_title(arm.arm))
    floor = 10 ** vertical["range"][0] / 10 if vertical.get("type") == "log" else -math.inf
    for curve in (arm.train, arm.validation):
        figure.add_trace(_band(curve, colour, floor))
    if plain is not None and plain is not arm:
        grey = style.COLOURS["plain"]
        figure.add_trace(_line(plain.validation, grey, "plain, validation", floor, width=1.2))
    figure.add_trace(_line(arm.train, colour, "train", floor, dash="4px,4px"))
    figure.add_trace(_line(arm.validation, colour, "validation", floor))
    figure.add_trace(
        go.Scatter(
            x=[arm.best_epoch],
            y=[max(arm.best_value, floor)],
            mode="markers",
            marker={"color": colour, "size": 11, "symbol": "diamond"},
            hovertemplate="median best epoch %{x:g}<extra></extra>",
        )
    )
    figure.update_xaxes(horizontal)
    figure.update_yaxes(vertical)
    return figure


def _line(curve: Curve, colour: str, name: str, floor: float, width: float = 2.2, dash: str = "solid") -> Any:
    """Draw the median of a curve."""
    return go.Scatter(
        x=curve.epochs,
        y=[max(value, floor) for value in curve.median],
        mode="lines",
        line={"color": colour, "width": width, "dash": dash},
        hovertemplate=f"{name}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def _band(curve: Curve, colour: str, floor: float) -> Any:
    """Draw the middle 70 % of the seeds as one closed shape."""
    return go.Scatter(
        x=curve.epochs + curve.epochs[::-1],
        y=[max(value, floor) for value in curve.high + curve.low[::-1]],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=style.transparent(colour, 0.17),
        hoverinfo="skip",
    )


def _interval(one: ArmInterval, row: float, metric: Metric, *, signed: bool = False) -> Any:
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
        marker={"color": style.colour(one.arm), "size": 12},
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


def _rows_figure(arms: Sequence[str], unit: str) -> go.Figure:
    """Lay out an empty figure with a row per arm, the first on top, and a zero line."""
    figure = go.Figure(layout=style.layout(64 + _ROW_HEIGHT * len(arms)))
    figure.update_xaxes(title={"text": unit}, zeroline=True, zerolinewidth=1.5, zerolinecolor=style.ZERO)
    figure.update_yaxes(
        tickvals=list(range(len(arms))),
        # A break after the plus keeps the labels narrow enough for a telephone.
        ticktext=[style.text(arm).replace("+", " +<br>") for arm in arms],
        range=[len(arms) - 0.5, -0.5],
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
