"""Dropout's mask of a layer, drawn for a few samples."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dropnorm.report import style
from dropnorm.report.activity import layer_name
from dropnorm.report.arm_styles import PLAIN, ArmStyle, transparent
from dropnorm.report.panels import Panel
from dropnorm.study.pictures.records import MaskRows


def draw_masks(masks: Sequence[MaskRows], arms: Mapping[str, ArmStyle]) -> list[Panel]:
    """Draw a panel per rate: samples as rows, units as columns, those that are kept in the arm's colour."""
    panels = []
    for mask in masks:
        kept = [[int(unit) for unit in row] for row in mask.rows]
        dropped = 1 - sum(map(sum, kept)) / sum(map(len, kept))
        figure = style.panel(200)
        figure.add_trace(
            go.Heatmap(
                z=kept,
                zmin=0,
                zmax=1,
                colorscale=[[0, transparent(PLAIN[0], 0.18)], [1, arms[mask.arm].colour]],
                showscale=False,
                xgap=1,
                ygap=1,
                x0=1,
                y0=1,
                customdata=[["kept" if unit else "dropped" for unit in row] for row in kept],
                hovertemplate="sample %{y}, unit %{x}: %{customdata}<extra></extra>",
            )
        )
        figure.update_xaxes(title={"text": f"unit of {layer_name(mask.layer)}"}, showgrid=False)
        figure.update_yaxes(title={"text": "sample"}, autorange="reversed", showgrid=False, dtick=2, tick0=1)
        panels.append(Panel(figure, f"rate {mask.rate:g}", beside=f"{100 * dropped:.0f} % of these are dropped"))
    return panels
