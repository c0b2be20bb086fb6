import itertools

import numpy as np
import pytest

from dropnorm.report.arm_styles import PALETTE, PLAIN, SYMBOLS, arm_styles, dark_shades, transparent
from dropnorm.study.arms import DEFAULT

PAGES = {"light": ("#ffffff", "#f7f8fa"), "dark": ("#1c2027", "#14171c")}
# Machado, Oliveira & Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", severity 1.
VISIONS = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def light_of(colour):
    """Red, green and blue in amounts of light."""
    values = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """The contrast of WCAG 2.2: 1 for equal colours, 21 for black and white."""
    low, high = sorted(XYZ[1] @ light_of(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def distance(one, other, vision):
    """CIE 1976's distance of two colours as a person of this vision sees them; about 2 can just be told apart."""

    def lab(colour):
        seen = XYZ @ np.clip(np.array(vision) @ light_of(colour), 0, 1) / (0.9505, 1.0, 1.089)
        root = np.where(seen > 216 / 24389, np.cbrt(seen), (24389 / 27 * seen + 16) / 116)
        return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])

    return float(np.linalg.norm(lab(one) - lab(other)))


def named(count):
    return ["plain", *(f"arm {number}" for number in range(1, count))]


@pytest.mark.parametrize("count", range(2, 31))
def test_up_to_thirty_arms_all_differ_without_colour_too(count):
    styles = arm_styles(named(count))
    assert list(styles) == named(count)
    assert len(set(styles.values())) == count
    assert len({(one.dash, one.symbol) for one in styles.values()}) == count
    assert len({one.outline for one in styles.values()}) == min(count, len(SYMBOLS))


def test_plain_is_a_grey_circle_wherever_it_stands_and_takes_nobodys_turn():
    first, last = arm_styles(["plain", "a", "b"]), arm_styles(["a", "b", "plain"])
    assert first == last
    assert (first["plain"].colour, first["plain"].dash, first["plain"].symbol) == (PLAIN[0], "solid", "circle")
    others = arm_styles(named(30))
    del others["plain"]
    assert all(one.symbol != "circle" and one.colour != PLAIN[0] for one in others.values())


def test_a_style_follows_from_the_position_and_not_from_the_name():
    assert list(arm_styles(["plain", "x", "y"]).values()) == list(arm_styles(["plain", "dropout", "z"]).values())


def test_the_default_arms_are_drawn_in_colours_of_their_own_and_solid_lines():
    styles = arm_styles(DEFAULT).values()
    assert len({one.colour for one in styles}) == len({one.dark_colour for one in styles}) == len(DEFAULT)
    assert {one.dash_lengths for one in styles} == {""}


@pytest.mark.parametrize(("page", "index"), [("light", 0), ("dark", 1)])
def test_every_colour_stands_out_from_its_page(page, index):
    for pair in (PLAIN, *PALETTE):
        # Lines and signs need 3 (WCAG 2.2, 1.4.11), here against the cards that they stand on.
        assert contrast(pair[index], PAGES[page][0]) >= 3.0
        assert contrast(pair[index], PAGES[page][1]) >= 2.8


@pytest.mark.parametrize("index", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_colours_stay_apart_in_every_kind_of_colour_vision(vision, index):
    colours = [pair[index] for pair in (PLAIN, *PALETTE)]
    apart = {pair: distance(*pair, VISIONS[vision]) for pair in itertools.combinations(colours, 2)}
    assert min(apart.values()) > 12, min(apart, key=apart.__getitem__)


def test_dashes_are_written_as_svg_writes_them():
    lengths = {one.dash: one.dash_lengths for one in arm_styles(named(33)).values()}
    assert lengths.pop("solid") == ""
    assert len(lengths) == 3
    assert all(dash == ",".join(f"{length}px" for length in own.split()) for dash, own in lengths.items())


def test_transparent():
    assert transparent("#0072b2", 0.5) == "rgba(0,114,178,0.5)"


def test_shades_change_a_colour_and_what_is_transparent_of_it():
    styles = list(arm_styles(named(6)).values())
    shades = dict(dark_shades(styles))
    fifth = styles[-1]
    assert shades[fifth.colour] == fifth.dark_colour
    text = transparent(fifth.colour, 0.17)
    for light, dark in shades.items():
        text = text.replace(light, dark)
    assert text == transparent(fifth.dark_colour, 0.17)
    assert "#0072b2" not in shades, "a colour that is the same on both pages needs no other"
