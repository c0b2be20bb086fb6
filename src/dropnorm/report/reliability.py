"""Reliability diagrams: the confidence of an arm's nets beside their share of hits, as data and drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dropnorm.report import style
from dropnorm.report.arm_styles import ArmStyle, transparent
from dropnorm.report.panels import Panel
from dropnorm.report.tables import Numbers
from dropnorm.study.conclusions.wording import counted
from dropnorm.study.records import Interval, Run
from dropnorm.study.statistics.calibration import BINS, pooled
from dropnorm.study.statistics.intervals import share_interval

FEW = 20
"""Bins of fewer predictions are drawn faintly: their 95 % interval is 40 points wide and more where half of them are right."""
_HISTOGRAM_HEIGHT = 0.22


@dataclass(frozen=True)
class ReliabilityPanel:
    """One arm's predictions of test rows by their confidence, all seeds together, in percent; empty bins have no point.

    `right` is the share of hits with Wilson's interval, which takes predictions as independent; `error` is written out: the
    calibration error of a net, on average over the seeds, as tables have it.
    """

    arm: str
    confidence: tuple[float, ...]
    right: tuple[Interval, ...]
    predictions: tuple[int, ...]
    shares: tuple[float, ...]  # of every bin
    error: str


def reliability_panels(run: Run) -> tuple[ReliabilityPanel, ...]:
    """Pool the chosen nets of each arm; none for a quantity, whose nets have no confidence."""
    by_net = {net.net: net.reliability for net in run.nets}
    panels = []
    numbers = Numbers.of(run.summary, "calibration_error")
    for arm in run.summary.arms:
        found = [one for net in arm.nets if (one := by_net.get(net)) is not None]
        error = arm.statistics.get("calibration_error")
        if not found or error is None:
            continue
        bins = pooled(found)
        filled = [index for index, count in enumerate(bins.counts) if count]
        panels.append(
            ReliabilityPanel(
                arm=arm.arm,
                confidence=tuple(100 * bins.confidence[index] for index in filled),
                right=tuple(_percent(bins.accuracy[index], bins.counts[index]) for index in filled),
                predictions=tuple(bins.counts[index] for index in filled),
                shares=tuple(100 * count / sum(bins.counts) for count in bins.counts),
                error=f"{numbers.statistic.label} {numbers.scale.write(error.mean)} {numbers.statistic.notation.unit}",
            )
        )
    return tuple(panels)


def draw_reliability(panels: Sequence[ReliabilityPanel], arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per arm: accuracy over confidence with the diagonal, and below how many rows there are."""
    return [Panel.of_arm(_diagram(one, arms[one.arm]), one.arm, one.error) for one in panels]


def _percent(share: float, count: int) -> Interval:
    """The share of hits among so many predictions with its interval, in percent."""
    found = share_interval(round(share * count), count)
    return Interval(mean=100 * found.mean, low=100 * found.low, high=100 * found.high)


def _diagram(panel: ReliabilityPanel, arm: ArmStyle) -> go.Figure:
    """Draw one arm's diagram over its histogram, on one axis of confidence."""
    figure = style.panel(300)
    figure.add_trace(
        go.Scatter(
            x=[0, 100],
            y=[0, 100],
            mode="lines",
            line={"color": style.ZERO, "width": 1.2, "dash": style.DASHED},
            hoverinfo="skip",
        )
    )
    many = [index for index, count in enumerate(panel.predictions) if count >= FEW]
    few = [index for index, count in enumerate(panel.predictions) if count < FEW]
    figure.add_trace(_bins(panel, few, arm, "markers", opacity=0.3))
    figure.add_trace(_bins(panel, many, arm, "lines+markers"))
    centers = [100 * (index + 0.5) / BINS for index in range(BINS)]
    figure.add_trace(
        go.Bar(
            x=centers,
            y=panel.shares,
            width=0.9 * 100 / BINS,
            marker={"color": transparent(arm.colour, 0.5)},
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


def _bins(panel: ReliabilityPanel, shown: Sequence[int], arm: ArmStyle, mode: str, opacity: float = 1.0) -> Any:
    """Draw some of the bins as points with their intervals."""
    right = [panel.right[index] for index in shown]
    return go.Scatter(
        x=[panel.confidence[index] for index in shown],
        y=[one.mean for one in right],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.mean for one in right],
            "arrayminus": [one.mean - one.low for one in right],
            "thickness": 1.5,
            "width": 3,
        },
        mode=mode,
        opacity=opacity,
        line={"color": arm.colour, "width": 1.6},
        marker={"color": arm.colour, "size": 8, "symbol": arm.symbol},
        customdata=[
            [counted(panel.predictions[index], "predictions"), one.low, one.high]
            for index, one in zip(shown, right, strict=True)
        ],
        hovertemplate="%{customdata[0]}, confidence %{x:.1f} %: %{y:.1f} % right "
        "(95 %: %{customdata[1]:.1f} to %{customdata[2]:.1f})<extra></extra>",
    )
