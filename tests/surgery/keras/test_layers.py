import keras
import pytest
from keras import layers

from dropnorm import keras as own
from dropnorm.surgery.keras.layers import drops_by_itself, is_channelwise, is_dropout, noise_shape


class Renamed(layers.Dropout):
    """Keras's dropout, made otherwise."""

    def __init__(self):
        super().__init__(0.2)


class Rewritten(layers.Dropout):
    """Another one."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=training)


@pytest.mark.parametrize(
    ("layer", "known", "by_itself"),
    [
        (layers.Dropout(0.2), True, False),
        (own.Dropout(0.2), True, False),
        (layers.SpatialDropout3D(0.2), True, False),
        (own.SpatialDropout1D(0.2), True, False),
        (layers.AlphaDropout(0.2), True, False),
        (own.BatchNormActDropout(0.2), True, False),
        (Renamed(), True, False),
        (Rewritten(0.2), False, True),
        (layers.GaussianDropout(0.2), False, True),
        (layers.GRUCell(3, recurrent_dropout=0.2), False, True),
        (layers.Attention(dropout=0.2), False, True),
        (layers.GaussianNoise(0.2), False, False),
        (layers.GRUCell(3), False, False),
        (layers.Dense(3), False, False),
    ],
)
def test_what_drops_by_a_mask_that_is_known(layer, known, by_itself):
    assert (is_dropout(layer), drops_by_itself(layer)) == (known, by_itself)


def test_the_shapes_of_masks():
    x = keras.ops.ones((2, 3, 4, 5))
    assert noise_shape(layers.Dropout(0.2), x) is None
    assert noise_shape(layers.Dropout(0.2, noise_shape=(None, 1, 1, 1)), x) == (None, 1, 1, 1)
    assert noise_shape(layers.SpatialDropout2D(0.2, data_format="channels_first"), x) == (None, None, 1, 1)
    assert noise_shape(own.SpatialDropout2D(0.2, data_format="channels_last"), x) == (None, 1, 1, None)
    assert noise_shape(own.BatchNormActDropout(0.2), x) is None
    assert noise_shape(own.BatchNormActDropout(0.2, axis=1, channelwise=True), x) == (None, None, 1, 1)
    assert is_channelwise(own.BatchNormActDropout(0.2, channelwise=True))
    assert not is_channelwise(own.BatchNormActDropout(0.2))
