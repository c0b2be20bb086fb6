"""Reliability diagrams: the confidence of an arm's nets beside their share of hits, as data and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dropnorm.report import style
from dropnorm.study.records import Run
from dropnorm.study.statistics.calibration import BINS, calibration_error, pooled

_HISTOGRAM_HEIGHT = 0.22


@dataclass(frozen=True)
class ReliabilityPanel:
    """One arm's test rows by the confidence of its nets, all seeds together, in percent; empty bins have no point."""

    arm: str
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    rows: tuple[int, ...]
    shares: tuple[float, ...]  # of every bin
    error: float


def reliability_panels(run: Run) -> tuple[ReliabilityPanel, ...]:
    """Pool the chosen nets of each arm; none for a quantity, whose nets have no confidence."""
    by_net = {net.net: net.reliability for net in run.nets}
    panels = []
    for arm in run.summary.arms:
        found = [one for net in arm.nets if (one := by_net.get(net)) is not None]
        if not found:
            continue
        bins = pooled(found)
        filled = [index for index, count in enumerate(bins.counts) if count]
        panels.append(
            ReliabilityPanel(
                arm=arm.arm,
                confidence=tuple(100 * bins.confidence[index] for index in filled),
                accuracy=tuple(100 * bins.accuracy[index] for index in filled),
                rows=tuple(bins.counts[index] for index in filled),
                shares=tuple(100 * count / sum(bins.counts) for count in bins.counts),
                error=100 * calibration_error(bins),
            )
        )
    return tuple(panels)


def draw_reliability(panels: Sequence[ReliabilityPanel]) -> list[go.Figure]:
    """Draw a panel per arm: accuracy over confidence with the diagonal, and below how many rows there are."""
    return [_panel(panel) for panel in panels]


def _panel(panel: ReliabilityPanel) -> go.Figure:
    """Draw one arm's diagram over its histogram, on one axis of confidence."""
    colour = style.colour(panel.arm)
    figure = style.panel(style.arm_title(panel.arm, f"error {panel.error:.1f} pp, pooled"), 330)
    figure.add_trace(
        go.Scatter(
            x=[0, 100],
            y=[0, 100],
            mode="lines",
            line={"color": style.ZERO, "width": 1.2, "dash": "4px,4px"},
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=panel.confidence,
            y=panel.accuracy,
            customdata=panel.rows,
            mode="lines+markers",
            line={"color": colour, "width": 2.2},
            marker={"color": colour, "size": 8},
            hovertemplate="%{customdata:,} predictions, confidence %{x:.1f} %: %{y:.1f} % right<extra></extra>",
        )
    )
    centers = [100 * (index + 0.5) / BINS for index in range(BINS)]
    figure.add_trace(
        go.Bar(
            x=centers,
            y=panel.shares,
            width=0.9 * 100 / BINS,
            marker={"color": style.transparent(colour, 0.5)},
            yaxis="y2",
            hovertemplate="%{y:.1f} % of the predictions<extra></extra>",
        )
    )
    figure.update_xaxes(title={"text": "confidence, %"}, range=[-2, 102], anchor="y2")
    figure.update_layout(
        yaxis={"title": {"text": "right, %"}, "range": [-3, 103], "domain": [_HISTOGRAM_HEIGHT + 0.06, 1.0]},
        yaxis2={
            **figure.layout.yaxis.to_plotly_json(),
            "title": {"text": "share, %", "font": {"size": 12}, "standoff": 8},
            "domain": [0.0, _HISTOGRAM_HEIGHT],
            "range": [0, 1.05 * max(panel.shares)],
            "nticks": 3,
            "anchor": "x",
        },
    )
    return figure
