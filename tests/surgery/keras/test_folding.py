import keras
import numpy as np
import pytest
from keras import layers

from dropnorm.surgery.keras.folding import affine, folded_before, folded_behind, weights_of

# The layer and the shape that it takes.
LINEAR = {
    "dense": (lambda: layers.Dense(6), (4,)),
    "dense on a sequence": (lambda: layers.Dense(6, use_bias=False), (5, 4)),
    "conv 1d": (lambda: layers.Conv1D(6, 3, strides=2), (9, 4)),
    "conv 2d": (lambda: layers.Conv2D(6, 3, use_bias=False), (7, 7, 4)),
    "grouped": (lambda: layers.Conv2D(6, 3, groups=2), (7, 7, 4)),
    "dilated": (lambda: layers.Conv2D(6, 2, dilation_rate=2), (7, 7, 4)),
    "conv 3d": (lambda: layers.Conv3D(6, 2), (3, 4, 4, 4)),
    "depthwise 1d": (lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), (7, 4)),
    "depthwise 2d": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=False), (7, 7, 4)),
    "separable 1d": (lambda: layers.SeparableConv1D(6, 3), (7, 4)),
    "separable 2d": (lambda: layers.SeparableConv2D(6, 3, depth_multiplier=2, use_bias=False), (7, 7, 4)),
    "transposed 1d": (lambda: layers.Conv1DTranspose(6, 3, strides=2), (7, 4)),
    "transposed 2d": (lambda: layers.Conv2DTranspose(6, 3, strides=2, padding="same"), (5, 5, 4)),
    "transposed 3d": (lambda: layers.Conv3DTranspose(6, 2, use_bias=False), (3, 3, 3, 4)),
}


def assigned(layer, weights):
    """A layer of the same kind, with a bias and these weights."""
    new = type(layer).from_config(layer.get_config() | {"use_bias": True})
    new.build(layer.input.shape)
    for name, value in weights.items():
        getattr(new, name).assign(value)
    return new


# The borders of a transposed convolution get less of the shift of a batch norm before it.
@pytest.mark.parametrize(
    ("name", "before"),
    [(name, before) for name in LINEAR for before in (True, False) if before or "transposed" not in name],
)
@pytest.mark.parametrize("affinely", [True, False])
def test_the_layer_alone_does_what_both_did(name, before, affinely, randomized, agree, normal):
    make, shape = LINEAR[name]
    layer, norm = make(), layers.BatchNormalization(center=affinely, scale=affinely)
    x = keras.Input(shape)
    both = randomized(keras.Model(x, norm(layer(x)) if before else layer(norm(x))))
    fold = folded_before(layer, weights_of(layer), norm) if before else folded_behind(norm, layer, weights_of(layer))
    alone = assigned(layer, fold)
    given = normal(3, *shape)
    expected, got = (keras.ops.convert_to_numpy(each(given)) for each in (both, alone))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_the_affine_map_of_a_batch_norm(randomized):
    norm = layers.BatchNormalization(epsilon=0.5)
    randomized(keras.Sequential([keras.Input((3,)), norm]))
    scale, shift = affine(norm)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(norm(x)), x * scale + shift, rtol=1e-6)
