"""A figure under its heading, as the page shows it beside others."""

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Panel:
    """A figure, and the heading that the page gives it: words, after the swatch of an arm where it is that arm's alone.

    `beside` is a remark in smaller letters; a figure without a heading has the page's width to itself.
    """

    figure: go.Figure
    heading: str = ""
    arm: str | None = None
    beside: str = ""

    @classmethod
    def of_arm(cls, figure: go.Figure, arm: str, beside: str = "") -> "Panel":
        """A panel that shows one arm alone."""
        return cls(figure, arm, arm, beside)
