"""What several pictures are drawn with: means with their intervals, bands, and an axis of dropout rates."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dropnorm.report.arm_styles import ArmStyle, transparent
from dropnorm.study.records import Interval

_MARGIN = 0.06


def means(
    x: Sequence[float],
    intervals: Sequence[Interval],
    arm: ArmStyle,
    hover: str,
    *,
    dash: str | None = None,
    thin: bool = False,
    bars: bool = False,
) -> Any:
    """Draw an arm's means as points on a line, with their intervals as bars if wanted; the dash is the arm's, unless given."""
    return go.Scatter(
        x=x,
        y=[one.mean for one in intervals],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [_finite(one.high - one.mean) for one in intervals],
            "arrayminus": [_finite(one.mean - one.low) for one in intervals],
            "thickness": 1.5,
            "width": 4,
        }
        if bars
        else None,
        mode="lines+markers",
        line={"color": arm.colour, "width": 1.4 if thin else 2.2, "dash": dash or arm.dash},
        marker={"color": arm.colour, "size": 5 if thin else 9, "symbol": arm.symbol},
        customdata=[[one.low, one.high] for one in intervals],
        hovertemplate=f"{hover}: %{{y:.4g}} (95 %: %{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})<extra></extra>",
    )


def band(x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, opacity: float = 0.17) -> Any:
    """Draw a band as one closed shape."""
    return go.Scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=transparent(colour, opacity),
        hoverinfo="skip",
    )


def line_mode(points: Sequence[float]) -> str:
    """How plotly is to draw a line through points: one alone, through which there is none, as a point."""
    return "lines" if len(points) > 1 else "markers"


def axis_over(title: str, intervals: Sequence[Interval]) -> dict[str, Any]:
    """Lay an axis over all intervals, as far as they are finite."""
    values = [value for one in intervals for value in (one.low, one.mean, one.high) if math.isfinite(value)] or [0.0]
    low, high = min(values), max(values)
    margin = _MARGIN * (high - low) or abs(high) / 100 or 1.0
    return {"title": {"text": title}, "range": [low - margin, high + margin]}


def rate_axis(rates: Sequence[float], beneath: Sequence[str] = ()) -> dict[str, Any]:
    """Lay an axis over dropout rates, with a tick at each, and a line of text beneath each if given."""
    margin = 0.08 * (max(rates) - min(rates)) or 0.1
    ticks = [f"{rate:g}" if rate else "none" for rate in rates]
    return {
        "title": {"text": "dropout rate"},
        "range": [min(rates) - margin, max(rates) + margin],
        "tickvals": list(rates),
        "ticktext": [f"{tick}<br>{text}" for tick, text in zip(ticks, beneath, strict=True)] if beneath else ticks,
    }


def _finite(reach: float) -> float:
    """An interval without end, of a net that ran away, has no bar."""
    return reach if math.isfinite(reach) else 0.0
