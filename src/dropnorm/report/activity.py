"""How active a run's hidden units are, as data and drawn: their outputs without and with dropout, and sparsity by rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dropnorm.report import marks, style
from dropnorm.report.arm_styles import ArmStyle, transparent
from dropnorm.report.panels import Panel
from dropnorm.report.rates import nets_by_rate
from dropnorm.study.pictures.records import OutputHistogram
from dropnorm.study.records import Interval, Run
from dropnorm.study.statistics.intervals import interval_within
from dropnorm.study.statistics.resampling import Resampling

_SILENT_WIDTH = 0.2  # of a panel


@dataclass(frozen=True)
class ActivityCurve:
    """Which share of a layer's outputs is not silent at each rate, in percent of all."""

    arm: str
    layer: int
    rates: tuple[float, ...]
    active: tuple[Interval, ...]


def activity_curves(run: Run) -> tuple[ActivityCurve, ...]:
    """Compute how active each hidden layer is at each rate over the seeds, for each arm with at least two, none counted."""
    measured = () if run.pictures is None else run.pictures.activity
    active = {(one.net, one.layer): 100 * one.active for one in measured}
    resampling = Resampling.of(run.summary.data, run.summary.config)
    curves = []
    for arm in run.summary.config.arms:
        nets = nets_by_rate(run, arm)
        if not active or not arm.dropout or len(nets) < 2:
            continue
        for layer in sorted({layer for _, layer in active}):
            shares = [
                interval_within(
                    *resampling.validated([active[net.net, layer] for net in own]), lowest=0.0, highest=100.0
                )
                for own in nets.values()
            ]
            curves.append(ActivityCurve(arm.name, layer, tuple(nets), tuple(shares)))
    return tuple(curves)


def draw_histograms(histograms: Sequence[OutputHistogram], arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per hidden layer: left the share of silent outputs, right how the others are distributed."""
    layers = sorted({one.layer for one in histograms})
    return [
        Panel(_histogram([one for one in histograms if one.layer == layer], arms), layer_name(layer))
        for layer in layers
    ]


def draw_activity(curves: Sequence[ActivityCurve], arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per hidden layer on common axes: the share of its outputs that are not silent over the rate, per arm."""
    vertical = marks.axis_over("active outputs, %", [one for curve in curves for one in curve.active])
    horizontal = marks.rate_axis(sorted({rate for curve in curves for rate in curve.rates}) or [0.0])
    panels = []
    for layer in sorted({curve.layer for curve in curves}):
        figure = style.panel()
        for curve in (curve for curve in curves if curve.layer == layer):
            name = f"{style.text(curve.arm)}, rate %{{x:g}}"
            figure.add_trace(marks.means(curve.rates, curve.active, arms[curve.arm], name, bars=True))
        figure.update_xaxes(horizontal)
        figure.update_yaxes(vertical)
        panels.append(Panel(figure, layer_name(layer)))
    return panels


def layer_name(layer: int) -> str:
    """What a hidden layer is called, counted from 1."""
    return f"hidden layer {layer + 1}"


def _histogram(histograms: Sequence[OutputHistogram], arms: Mapping[str, ArmStyle]) -> go.Figure:
    """Draw one layer's panel on two pairs of axes."""
    figure = style.panel()
    axis = figure.layout.xaxis.to_plotly_json()
    for place, one in enumerate(histograms):
        arm = arms[one.arm]
        name = style.text(one.arm) + (f" {one.rate:g}" if one.rate else "")
        figure.add_trace(
            go.Bar(
                x=[place],
                y=[100 * one.silent],
                marker={"color": arm.colour},
                hovertemplate=f"{name}: %{{y:.1f}} % are silent<extra></extra>",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=one.edges,
                y=[*(100 * share for share in one.shares), 100 * one.shares[-1]],
                mode="lines",
                line={"color": arm.colour, "width": 2, "shape": "hv", "dash": arm.dash},
                fill="tozeroy",
                fillcolor=transparent(arm.colour, 0.17),
                xaxis="x2",
                yaxis="y2",
                hovertemplate=f"{name}: %{{y:.2f}} % of the outputs<extra></extra>",
            )
        )
    beside = {
        "domain": [_SILENT_WIDTH + 0.14, 1],
        "anchor": "y2",
        "title": axis["title"] | {"text": "output of a unit"},
    }
    figure.update_layout(
        bargap=0.25,
        xaxis={"domain": [0, _SILENT_WIDTH], "showticklabels": False, "showgrid": False, "title": {"text": "silent"}},
        yaxis={"title": {"text": "% of all outputs"}, "rangemode": "tozero"},
        xaxis2=axis | beside,
        yaxis2=axis | {"anchor": "x2", "rangemode": "tozero"},
    )
    return figure
