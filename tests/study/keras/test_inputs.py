import keras
import numpy as np
import pytest

from dropnorm.errors import ArgumentError
from dropnorm.study.keras.inputs import arranged, input_of
from dropnorm.study.modules.architecture import FactoryArchitecture

COLOR = FactoryArchitecture(factory="nets:small", features=24, outputs=2, image=(3, 2, 4), channels_last=True)
GREY = FactoryArchitecture(factory="nets:small", features=6, outputs=2, image=(1, 2, 3))


def model_of(*shape):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    ("given", "shape", "layout"),
    [
        (COLOR, (2, 4, 3), "channels_last"),
        (COLOR, (None, None, 3), "channels_last"),
        (COLOR, (3, 2, 4), "channels_first"),
        (COLOR, (24,), "rows"),
        (GREY, (2, 3), "channels_last"),
        (GREY, (6,), "rows"),
    ],
)
def test_the_first_layer_says_how_rows_are_given(given, shape, layout):
    model = keras.Sequential([keras.Input(shape), keras.layers.Activation("relu")])
    found, order = input_of(model, given)
    assert order == layout
    assert all(one in (None, other) for one, other in zip(shape, found, strict=True))
    rows = np.arange(2 * given.features, dtype=np.float32).reshape(2, -1)
    assert np.array_equal(np.sort(arranged(rows, given, found, order).ravel()), rows.ravel())


def test_pixels_keep_their_places():
    rows = np.arange(24).reshape(1, 24)
    image = rows.reshape(1, 2, 4, 3)
    assert np.array_equal(arranged(rows, COLOR, (2, 4, 3), "channels_last"), image)
    assert np.array_equal(arranged(rows, COLOR, (3, 2, 4), "channels_first"), image.transpose(0, 3, 1, 2))
    assert np.array_equal(arranged(rows, COLOR, (24,), "rows"), rows)


def test_another_input_is_refused():
    with pytest.raises(
        ArgumentError, match=r"^model='nets:small' takes an input of shape \(5,\), where a row .* has 24 feat"
    ):
        input_of(model_of(5), COLOR, "model")
