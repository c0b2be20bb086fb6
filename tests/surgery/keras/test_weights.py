import pytest
from keras import layers

from dropnorm.surgery.keras.weights import axis_of, obstacle, outputs_of


@pytest.mark.parametrize(
    ("layer", "shape", "outputs", "axis"),
    [
        (layers.Dense(5), (None, 3), 5, -1),
        (layers.Conv1D(5, 2, data_format="channels_first"), (None, 3, 8), 5, 1),
        (layers.DepthwiseConv2D(2, depth_multiplier=4), (None, 8, 8, 3), 12, -1),
        (layers.SeparableConv2D(5, 2), (None, 8, 8, 3), 5, -1),
        (layers.Conv2DTranspose(5, 2), (None, 8, 8, 3), 5, -1),
    ],
)
def test_how_many_outputs_along_which_dimension(layer, shape, outputs, axis):
    layer.build(shape)
    assert (outputs_of(layer), axis_of(layer)) == (outputs, axis)
    made = layer.compute_output_shape(shape)
    assert made[axis] == outputs


def test_a_depthwise_convolution_that_is_not_built():
    assert outputs_of(layers.DepthwiseConv1D(2)) == 0


def test_weights_that_cannot_be_made_anew():
    layer = layers.Dense(4)
    layer.build((None, 4))
    assert obstacle(layer) == ""
    layer.quantize("int8")
    assert obstacle(layer) == "its weight is quantized."
