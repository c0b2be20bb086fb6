"""The look that all figures share: a colour per arm, the layout, axes and their ranges."""

import html
import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dropnorm.report.figures import LearningCurves

COLOURS = {"plain": "#8a8f98", "dropout": "#0072b2", "batch_norm": "#d55e00", "dropout+batch_norm": "#009e73"}
"""One colour per arm, from Okabe and Ito's palette for all kinds of colour vision."""
OTHER_COLOUR = "#cc79a7"
CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True, "showTips": False}
"""How the page shows a figure: no tool bar and no logo, as wide as its box."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
INK, GRID, ZERO = "#5b616b", "#e6e8ec", "#9aa0aa"


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


def title(head: str, dot: str | None = None, beside: str = "") -> dict[str, Any]:
    """Head a panel with words, a dot in a colour before them, and smaller ones beside."""
    words = f"<b>{text(head)}</b>" if dot is None else f'<span style="color:{dot}">●</span> <b>{text(head)}</b>'
    return {
        "text": f'{words}  <span style="font-size:12px">{text(beside)}</span>' if beside else words,
        "font": {"size": 14},
        "x": 0,
        "xref": "container",
        "y": 0.98,
        "yanchor": "top",
    }


def arm_title(arm: str, beside: str = "") -> dict[str, Any]:
    """Head a panel with its arm's name and colour, and a word beside."""
    return title(arm, colour(arm), beside)


def panel(title: dict[str, Any], height: int = 250) -> go.Figure:
    """Lay out an empty figure that stands beside others, under its title."""
    figure = go.Figure(layout=layout(height, left=56))
    figure.update_layout(title=title, margin_t=30)
    return figure


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
    steps = (1,) if high - low > 2.5 else (1, 2, 5)
    ticks = [step * 10.0**power for power in range(math.floor(low), math.ceil(high)) for step in steps]
    return {
        "title": {"text": "loss (logarithmic)"},
        "type": "log",
        "range": [low, high],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


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


def colour(arm: str) -> str:
    """Pick the arm's own colour."""
    return COLOURS.get(arm, OTHER_COLOUR)


def transparent(colour: str, opacity: float) -> str:
    """Give a colour of six hexadecimal digits an opacity."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def text(text: str) -> str:
    """Escape text, which plotly would read as HTML."""
    return html.escape(text)
