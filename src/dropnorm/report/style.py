"""The look that all figures share: the layout, axes and their ranges."""

import html
import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dropnorm.report.figures import LearningCurves

CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True, "showTips": False}
"""How the page shows a figure: no tool bar and no logo, as wide as its box."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
INK, GRID, ZERO = "#5b616b", "#e6e8ec", "#9aa0aa"
_STEPS = ((1,), (1, 2, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8), tuple(step / 10 for step in range(10, 100)))
DASHED = "4px,4px"
"""Within a panel of one arm, what is not its main line."""


def layout(height: int, left: int = 8) -> go.Layout:
    """Lay out a figure: thin axes, no legend or tool bar, nothing that catches a scrolling finger."""
    axis = {
        "fixedrange": True,
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "",
        "title": {"standoff": 8, "font": {"size": 12}},
    }
    return go.Layout(
        template=go.layout.Template(),
        height=height,
        margin={"l": left, "r": 12, "t": 8, "b": 44},
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        xaxis=axis,
        yaxis=axis,
    )


def panel(height: int = 220) -> go.Figure:
    """Lay out an empty figure that stands beside others under a heading of the page."""
    return go.Figure(layout=layout(height, left=56))


def epoch_axis(first: int, last: int) -> dict[str, Any]:
    """Lay an axis over the epochs, whose ticks are whole epochs however few there are."""
    margin = 0.03 * max(last - first, 1)
    axis: dict[str, Any] = {"title": {"text": "epoch"}, "range": [first - margin, last + margin]}
    return axis | ({"dtick": 1} if last - first < 8 else {})


def loss_axis(curves: LearningCurves) -> dict[str, Any]:
    """Lay a logarithmic axis over the validation losses, and over train losses to a twentieth of them."""
    validation = [v for arm in curves.arms for v in (*arm.validation.low, *arm.validation.high) if 0 < v < math.inf]
    train = [v for arm in curves.arms for v in (*arm.train.low, *arm.train.high) if 0 < v < math.inf]
    # A net that memorizes its training rows drives their loss towards zero, and would flatten all else.
    bottom = max(min(validation + train, default=0.1), min(validation, default=0.1) / 20)
    top = max(validation + train, default=1.0)
    low, high = math.log10(bottom) - 0.05, math.log10(max(top, 1.5 * bottom)) + 0.05
    ticks = _ticks(low, high)
    return {
        "title": {"text": "loss (logarithmic)"},
        "type": "log",
        "range": [low, high],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def _ticks(low: float, high: float) -> list[float]:
    """Find round numbers between two powers of ten, at least three where tenths of a power are fine enough."""
    powers = range(math.floor(low), math.ceil(high))
    ticks: list[float] = []
    for steps in _STEPS:
        ticks = [step * 10.0**power for power in powers for step in steps]
        if sum(low <= math.log10(tick) <= high for tick in ticks) >= 3:
            break
    return ticks


def score_axis(curves: LearningCurves) -> dict[str, Any]:
    """Lay a linear axis in the metric's unit that leaves out the steep first quarter of the epochs."""
    metric = curves.metric
    last = max(arm.validation.epochs[-1] for arm in curves.arms)
    shown = [
        value
        for arm in curves.arms
        for curve in (arm.train, arm.validation)
        for epoch, low, high in zip(curve.epochs, curve.low, curve.high, strict=True)
        if 4 * epoch >= last
        for value in (low, high)
        if math.isfinite(value)
    ] or [0.0]
    # Half a percentage point, or a hundredth of a score that may be of any size.
    least = 0.5 if metric.counted else max(shown) / 100 or 1.0
    margin = max(0.06 * (max(shown) - min(shown)), least)
    high = min(max(shown) + margin, metric.factor * metric.highest + margin / 2)
    return {"title": {"text": metric.label}, "range": [min(shown) - margin, high]}


def around_zero(values: Sequence[float], least: float) -> list[float]:
    """Find a range that holds the values and zero, and is never narrower than `least`, nor without any width."""
    low, high = min([0.0, *values]), max([0.0, *values])
    least = least or (0.0 if high > low else 1.0)
    margin = max(0.06 * (high - low), (least - (high - low)) / 2)
    return [low - margin, high + margin]


def text(text: str) -> str:
    """Escape text, which plotly would read as HTML."""
    return html.escape(text)
