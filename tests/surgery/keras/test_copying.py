import keras
import numpy as np
import pytest
from keras import layers

import dropnorm as dn
from dropnorm.errors import SurgeryError
from dropnorm.surgery.keras.copying import copied


def squared(x):
    return keras.ops.square(x)


class Twos(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, 2.0, dtype)


class Inner(layers.Layer):
    def call(self, x):
        return x + 1


factor = 3.0


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(3, activation=squared),
        layers.Dense(3, activation=lambda x: factor * x),
        layers.Dense(3, kernel_initializer=Twos(), bias_initializer="ones"),
        layers.Lambda(squared),
        layers.Lambda(lambda x: factor * x),
        layers.Lambda(lambda x, times: times * x, arguments={"times": 5.0}),
        layers.TimeDistributed(layers.Dense(3, activation=squared, kernel_initializer=Twos())),
        layers.TimeDistributed(Inner()),
    ],
)
def test_functions_and_classes_that_are_not_registered(layer):
    x = np.arange(12.0, dtype="float32").reshape(2, 2, 3)
    old, new = (keras.ops.convert_to_numpy(each(x)) for each in (layer, copied(layer)))
    if getattr(layer, "kernel", None) is None or isinstance(layer.kernel_initializer, Twos):
        np.testing.assert_array_equal(new, old)
    assert copied(layer) is not layer
    assert getattr(copied(layer), "activation", None) is getattr(layer, "activation", None)


def test_a_model_with_functions_of_somebody_s_own(randomized, agree, normal):
    model = randomized(
        keras.Sequential(
            [
                keras.Input((4,)),
                layers.Lambda(lambda x: factor * x),
                layers.Dense(5, activation=squared, name="a"),
                layers.BatchNormalization(),
                layers.Dense(3, activation=lambda x: keras.ops.tanh(x) * 2, name="b"),
                layers.Dense(2),
            ]
        )
    )
    new = dn.regularize(model, sample=normal(4, 4)).apply()
    assert new.get_layer("b_activation").activation is model.get_layer("b").activation
    agree(model, dn.fold(new, sample=normal(4, 4)).model, normal(4, 4), 1e-5)


def test_other_arguments():
    new = copied(layers.Dense(3, activation=squared, name="a"), activation=None)
    assert (new.name, new.activation is keras.activations.linear) == ("a", True)


class Fixed(layers.Dense):
    def __init__(self, **kwargs):
        super().__init__(3, **kwargs)


def test_what_cannot_be_copied():
    with pytest.raises(SurgeryError, match=r"\A'b' \(Fixed\) cannot be copied \(TypeError: .*\): expected layers that"):
        copied(Fixed(name="b"))
