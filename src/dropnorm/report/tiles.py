"""What first-layer units have learned of images, as small images side by side."""

import base64
import io
import math
from dataclasses import dataclass

import numpy
from PIL import Image

from dropnorm.study.pictures.records import FeatureTiles

_SIDE = 52  # pixels of a tile on the page, as nearly as whole factors allow
_GAP = 4
_EDGE = (154, 160, 170, 255)


@dataclass(frozen=True)
class TiledImage:
    """One image of all tiles of a net, for a page; `source` is its address there."""

    arm: str
    rate: float
    units: int
    width: int
    height: int
    source: str


def tile(features: FeatureTiles) -> TiledImage:
    """Lay the tiles of a net's units out in rows, with transparent gaps, as a PNG image in the page's own address."""
    shape = (features.units, features.height, features.width, features.channels)
    pixels = numpy.frombuffer(base64.b64decode(features.pixels), numpy.uint8).reshape(shape)
    columns = math.ceil(math.sqrt(features.units))
    rows = math.ceil(features.units / columns)
    # Each pixel is made larger here, since not every browser would leave it sharp.
    scale = max(1, round(_SIDE / max(features.height, features.width)))
    high, wide = scale * features.height, scale * features.width
    sheet = numpy.zeros((rows * (high + _GAP), columns * (wide + _GAP), 4), numpy.uint8)
    for unit, image in enumerate(pixels.repeat(scale, axis=1).repeat(scale, axis=2)):
        row, column = divmod(unit, columns)
        top, left = row * (high + _GAP) + 1, column * (wide + _GAP) + 1
        # An edge, without which what is white would end nowhere on a white page.
        sheet[top - 1 : top + high + 1, left - 1 : left + wide + 1] = _EDGE
        sheet[top : top + high, left : left + wide, :3] = image
    drawn = Image.fromarray(sheet, "RGBA")
    file = io.BytesIO()
    drawn.save(file, "PNG", optimize=True)
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return TiledImage(features.arm, features.rate, features.units, drawn.width, drawn.height, source)
