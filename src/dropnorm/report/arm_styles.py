"""How each arm is told from the others in every plot, table and key: a colour, a dash and a symbol by its position."""

from collections.abc import Sequence
from dataclasses import dataclass

PLAIN = ("#868b94", "#b4bac4")
PALETTE = (
    ("#0072b2", "#0072b2"),
    ("#d55e00", "#d55e00"),
    ("#009e73", "#009e73"),
    ("#a8328c", "#cc79a7"),
    ("#7a4a00", "#e69f00"),
    ("#27337a", "#56b4e9"),
    ("#15181d", "#f0e442"),
)
"""Pairs of a colour on a white page and on a dark one. On the dark page they are those of Okabe and Ito for all kinds of colour
vision (2008, "Color universal design"), without black, which grey stands for. Where one is too light for a white page, a dark
one takes its place: the darker shade of the same hue, and for yellow black."""
DASHES = ("solid", "5px,3px", "2px,2px", "6px,2px,2px,2px")
SYMBOLS = {
    "circle": "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
    "square": "M-.9-.9H.9V.9H-.9Z",
    "triangle-up": "M0-1.15L1.1.8H-1.1Z",
    "diamond": "M0-1.25L1.25 0L0 1.25L-1.25 0Z",
    "x": "M0 .57L.57 1.13L1.13.57L.57 0L1.13-.57L.57-1.13L0-.57L-.57-1.13L-1.13-.57L-.57 0L-1.13.57L-.57 1.13Z",
    "triangle-down": "M0 1.15L1.1-.8H-1.1Z",
    "star": "M0-1.3L.29-.4H1.24L.47.15L.76 1.05L0 .5L-.76 1.05L-.47.15L-1.24-.4H-.29Z",
    "cross": "M1.2.4H.4V1.2H-.4V.4H-1.2V-.4H-.4V-1.2H.4V-.4H1.2Z",
    "hourglass": "M1 1H-1L1-1H-1Z",
}
"""Plotly's names of symbols, each with its outline as an SVG path about the origin; its radius is about 1."""


@dataclass(frozen=True)
class ArmStyle:
    """How one arm is drawn.

    Args:        colour, dark_colour: six hexadecimal digits, on a white page and on a dark one; dash: of its lines, in plotly's
                 words; symbol: of its points, a key of `SYMBOLS`.
    """

    colour: str
    dark_colour: str
    dash: str
    symbol: str

    @property
    def outline(self) -> str:
        """The symbol's outline as an SVG path."""
        return SYMBOLS[self.symbol]

    @property
    def dash_lengths(self) -> str:
        """The dash as SVG writes it, empty for a solid line."""
        return "" if self.dash == "solid" else self.dash.replace("px", "").replace(",", " ")


def arm_styles(arms: Sequence[str]) -> dict[str, ArmStyle]:
    """Give each arm its style by its position; plain is a grey circle, wherever it stands.

    Colours and symbols come round at different lengths, and the dash changes with every round of symbols: 56 arms differ from
    one another, and 32 of them without colour.
    """
    symbols = [symbol for symbol in SYMBOLS if symbol != "circle"]
    styles = {}
    for position, arm in enumerate(arm for arm in arms if arm != "plain"):
        turn, index = divmod(position, len(symbols))
        styles[arm] = ArmStyle(*PALETTE[position % len(PALETTE)], DASHES[turn % len(DASHES)], symbols[index])
    return {arm: styles.get(arm, ArmStyle(*PLAIN, "solid", "circle")) for arm in arms}


def dark_shades(styles: Sequence[ArmStyle]) -> list[tuple[str, str]]:
    """Pair what a figure may hold of a colour, itself or `transparent`, with what takes its place on a dark page."""
    colours = dict.fromkeys((style.colour, style.dark_colour) for style in styles)
    changed = [(light, dark) for light, dark in colours if light != dark]
    return [pair for light, dark in changed for pair in ((light, dark), (_channels(light), _channels(dark)))]


def transparent(colour: str, opacity: float) -> str:
    """Give a colour of six hexadecimal digits an opacity."""
    return f"{_channels(colour)}{opacity})"


def _channels(colour: str) -> str:
    """Begin a colour with an opacity."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},"
