import keras
import pytest
from keras import layers, ops

from dropnorm import keras as own
from dropnorm.surgery.keras.graph import read_graph
from dropnorm.surgery.keras.operations import activation_in, kind_of_activation, kind_of_operation
from dropnorm.surgery.kinds import Kind


class OwnNormalization(layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=input_shape[-1:])


class OwnDense(layers.Dense):
    def call(self, x):
        return 2 * super().call(x)


class Made(layers.Dense):
    def __init__(self, **kwargs):
        super().__init__(3, **kwargs)


class Mish2(layers.Layer):
    pass


class Scale(layers.Layer):
    pass


def built(layer):
    layer.build((None, 3))
    return layer


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (layers.Dense(2), Kind.WEIGHT),
        (layers.SeparableConv1D(2, 1), Kind.WEIGHT),
        (layers.DepthwiseConv2D(2), Kind.WEIGHT),
        (layers.Conv3DTranspose(2, 1), Kind.WEIGHT),
        (Made(), Kind.WEIGHT),
        (OwnDense(2), Kind.OPAQUE),
        (layers.EinsumDense("ab,bc->ac", 2), Kind.OPAQUE),
        (layers.TimeDistributed(layers.Dense(2)), Kind.OPAQUE),
        (layers.LSTM(2), Kind.OPAQUE),
        (layers.Embedding(2, 2), Kind.EMBEDDING),
        (layers.BatchNormalization(), Kind.BATCH_NORM),
        (own.BatchNormActDropout(), Kind.BATCH_NORM),
        (layers.LayerNormalization(), Kind.OTHER_NORM),
        (built(OwnNormalization()), Kind.OTHER_NORM),
        (layers.Activation("relu"), Kind.ACTIVATION),
        (layers.Activation("softmax"), Kind.OTHER),
        (layers.Activation("linear"), Kind.IDENTITY),
        (layers.Activation("selu"), Kind.SELF_NORMALIZING),
        (layers.PReLU(), Kind.ACTIVATION),
        (Mish2(), Kind.ACTIVATION),
        (Scale(), Kind.OPAQUE),
        (built(Scale()), Kind.OTHER),
        (layers.Softmax(), Kind.OTHER),
        (layers.SpatialDropout2D(0.1), Kind.DROPOUT),
        (own.Dropout(0.1), Kind.DROPOUT),
        (layers.GaussianNoise(0.1), Kind.IDENTITY),
        (layers.MaxPooling2D(), Kind.POOLING),
        (layers.ZeroPadding1D(), Kind.POOLING),
        (layers.GlobalAveragePooling3D(), Kind.FLATTENING),
        (layers.Flatten(), Kind.FLATTENING),
        (layers.Average(), Kind.ADDITION),
        (layers.Concatenate(), Kind.CONCATENATION),
        (layers.Multiply(), Kind.GATE),
        (layers.Rescaling(2.0), Kind.IDENTITY),
        (layers.RandomFlip(), Kind.IDENTITY),
        (layers.Lambda(lambda x: x), Kind.OTHER),
    ],
)
def test_the_kinds_of_layers(layer, kind):
    assert kind_of_operation(layer) is kind


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: x + x * 2, Kind.ADDITION),
        (lambda x: x + 1, Kind.IDENTITY),
        (lambda x: x * 3.0, Kind.IDENTITY),
        (lambda x: x * ops.abs(x), Kind.GATE),
        (lambda x: ops.relu(x), Kind.ACTIVATION),
        (lambda x: ops.silu(x), Kind.ACTIVATION),
        (lambda x: keras.activations.tanh(x), Kind.ACTIVATION),
        (lambda x: ops.softplus(x), Kind.ACTIVATION),
        (lambda x: ops.selu(x), Kind.SELF_NORMALIZING),
        (lambda x: ops.softmax(x), Kind.OTHER),
        (lambda x: ops.matmul(x, ops.abs(x)), Kind.WEIGHT),
        (lambda x: ops.reshape(x, (-1, 16)), Kind.FLATTENING),
        (lambda x: ops.mean(x, axis=1), Kind.FLATTENING),
        (lambda x: ops.concatenate([x, ops.abs(x)]), Kind.CONCATENATION),
        (lambda x: x > 0, Kind.METADATA),
    ],
)
def test_the_kinds_of_operations(function, kind):
    x = keras.Input((4, 4))
    assert read_graph(keras.Model(x, function(x))).operations[-2].kind is kind


@pytest.mark.parametrize(
    ("function", "kind"),
    [(None, Kind.IDENTITY), ("swish", Kind.ACTIVATION), ("log_softmax", Kind.OTHER), (lambda x: x, Kind.ACTIVATION)],
)
def test_the_kinds_of_activations(function, kind):
    assert kind_of_activation(keras.activations.get(function) if function else None) is kind


def test_the_activation_in_a_layer():
    assert activation_in(layers.Dense(2, activation="relu")) is keras.activations.relu
    assert activation_in(layers.Dense(2)) is None
    assert activation_in(layers.LSTM(2)) is None
    assert activation_in(OwnDense(2, activation="relu")) is None
