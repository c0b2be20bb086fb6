import base64
import io

import numpy as np
import pytest
from PIL import Image

from dropnorm.report.tiles import tile
from dropnorm.study.pictures.records import FeatureTiles


def drawn(features):
    tiled = tile(features)
    image = Image.open(io.BytesIO(base64.b64decode(tiled.source.removeprefix("data:image/png;base64,"))))
    assert image.size == (tiled.width, tiled.height)
    return np.asarray(image)


def tiles(units, height, width, channels):
    pixels = np.random.default_rng(3).integers(1, 256, (units, height, width, channels), dtype=np.uint8)
    text = base64.b64encode(pixels.tobytes()).decode()
    shape = {"units": units, "height": height, "width": width, "channels": channels}
    return pixels, FeatureTiles(arm="dropout", rate=0.5, pixels=text, **shape)


@pytest.mark.parametrize(("units", "columns"), [(1, 1), (5, 3), (36, 6)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_unit_has_its_own_tile_row_by_row(units, columns, channels):
    pixels, features = tiles(units, 4, 3, channels)
    sheet = drawn(features)
    high, wide = sheet.shape[0] // -(-units // columns), sheet.shape[1] // columns
    for unit in range(units):
        top, left = unit // columns * high + 1, unit % columns * wide + 1
        scale = (high - 4) // 4
        assert scale == (wide - 4) // 3 == 13
        place = sheet[top : top + 4 * scale : scale, left : left + 3 * scale : scale]
        assert np.array_equal(place[..., :3], np.broadcast_to(pixels[unit], (4, 3, 3)))
        assert (place[..., 3] == 255).all()


def test_tiles_have_an_edge_and_nothing_between():
    _, features = tiles(4, 4, 4, 1)
    sheet = drawn(features)
    side = sheet.shape[0] // 2
    assert (sheet[side - 2 : side, :, 3] == 0).all()
    assert sheet[0, 5].tolist() == [154, 160, 170, 255]


@pytest.mark.parametrize("side", [3, 8, 28, 32])
def test_a_tile_is_about_as_large_whatever_it_shows(side):
    _, features = tiles(1, side, side, 1)
    assert 44 < drawn(features).shape[0] < 70
