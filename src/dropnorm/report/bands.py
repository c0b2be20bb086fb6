"""The input of a hidden unit over training without and with batch norm, as data and drawn."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dropnorm.report import marks, style
from dropnorm.report.activity import layer_name
from dropnorm.report.arm_styles import ArmStyle
from dropnorm.report.figures import Curve
from dropnorm.report.panels import Panel
from dropnorm.study.records import Run

_MARGIN = 0.06


@dataclass(frozen=True)
class UnitBands:
    """The input of one unit of a layer over the epochs, in one net: its median and the middle 70 % of the rows."""

    arm: str
    layer: int
    unit: int
    curve: Curve


def unit_bands(run: Run) -> tuple[UnitBands, ...]:
    """Collect the inputs of one unit of each hidden layer, without batch norm and then with it, layer by layer."""
    arms = {net.net: net.arm for net in run.nets}
    order = [arm.name for arm in run.summary.config.arms]
    measured = defaultdict(list)
    for one in run.unit_inputs:
        measured[one.layer, order.index(arms[one.net]), one.unit].append(one)
    bands = []
    for layer, arm, unit in sorted(measured):
        own = sorted(measured[layer, arm, unit], key=lambda one: one.epoch)
        curve = Curve(
            epochs=tuple(one.epoch for one in own),
            median=tuple(one.median for one in own),
            low=tuple(one.low for one in own),
            high=tuple(one.high for one in own),
            nets=(1,) * len(own),
        )
        bands.append(UnitBands(order[arm], layer, unit, curve))
    return tuple(bands)


def draw_unit_bands(bands: Sequence[UnitBands], arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per layer and arm: the input of one unit over the epochs, on common axes within a layer."""
    epochs = [epoch for one in bands for epoch in one.curve.epochs]
    panels = []
    for one in bands:
        curve, colour = one.curve, arms[one.arm].colour
        figure = style.panel()
        figure.add_trace(marks.band(curve.epochs, curve.low, curve.high, colour))
        for percentile, values, width in ((15, curve.low, 1.0), (85, curve.high, 1.0), (50, curve.median, 2.4)):
            figure.add_trace(
                go.Scatter(
                    x=curve.epochs,
                    y=values,
                    mode=marks.line_mode(curve.epochs),
                    line={"color": colour, "width": width},
                    marker={"color": colour, "size": 3 * width},
                    hovertemplate=f"epoch %{{x}}: {percentile} % of the rows lie below %{{y:.3g}}<extra></extra>",
                )
            )
        figure.update_xaxes(style.epoch_axis(min(epochs), max(epochs)))
        figure.update_yaxes(
            title={"text": "input of the unit"},
            range=_range([other.curve for other in bands if other.layer == one.layer]),
            zeroline=True,
            zerolinewidth=1.5,
            zerolinecolor=style.ZERO,
        )
        panels.append(Panel.of_arm(figure, one.arm, f"{layer_name(one.layer)}, unit {one.unit + 1}"))
    return panels


def _range(curves: Sequence[Curve]) -> list[float]:
    """Hold all that is finite."""
    values = [value for curve in curves for value in (*curve.low, *curve.high) if abs(value) < float("inf")] or [0.0]
    margin = _MARGIN * (max(values) - min(values)) or 1.0
    return [min(values) - margin, max(values) + margin]
