import keras
import numpy as np
from keras import layers

from dropnorm.study.keras.fingerprint import fingerprint_of


def made(*inner, width=4, activation="relu"):
    return keras.Sequential([keras.Input((width,)), layers.Dense(3, activation=activation), *inner])


class Own(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units


# Of an input and two layers that are alike.
CONNECTIONS = {
    "one after the other": lambda x, first, second: second(first(x)),
    "the first twice": lambda x, first, _: first(first(x)),
    "side by side": lambda x, first, second: first(x) + second(x),
    "difference": lambda x, first, second: first(x) - second(x),
    "with the input": lambda x, first, second: second(first(x)) + x,
    "doubled": lambda x, first, second: second(first(x)) * 2,
    "tripled": lambda x, first, second: second(first(x)) * 3,
    "in training": lambda x, first, second: layers.Dropout(0.5)(second(first(x)), training=True),
    "in inference": lambda x, first, second: layers.Dropout(0.5)(second(first(x)), training=False),
    "array added": lambda x, first, second: second(first(x)) + np.arange(4.0),
    "other array added": lambda x, first, second: second(first(x)) + np.arange(1.0, 5.0),
    "tensor added": lambda x, first, second: second(first(x)) + keras.ops.ones(4),
    "first columns": lambda x, first, second: second(first(x))[:, :2],
    "last columns": lambda x, first, second: second(first(x))[:, 2:],
    "left half": lambda x, first, second: keras.ops.split(second(first(x)), 2, axis=1)[0],
    "right half": lambda x, first, second: keras.ops.split(second(first(x)), 2, axis=1)[1],
}


def connected(how):
    x = keras.Input((4,))
    return keras.Model(x, CONNECTIONS[how](x, layers.Dense(4), layers.Dense(4)))


def test_other_connections_of_the_same_layers_have_another():
    found = {how: fingerprint_of(connected(how)) for how in CONNECTIONS}
    assert len(set(found.values())) == len(CONNECTIONS)
    assert found == {how: fingerprint_of(connected(how)) for how in CONNECTIONS}


def test_models_made_alike_have_one_whatever_their_names():
    assert fingerprint_of(made()) == fingerprint_of(made())
    assert fingerprint_of(made(made(width=3))) == fingerprint_of(made(made(width=3)))


def test_other_layers_settings_or_shapes_have_another():
    different = [made(), made(layers.Dropout(0.1)), made(layers.Dropout(0.2)), made(activation="tanh"), made(Own(3))]
    assert len({fingerprint_of(model) for model in different}) == len(different)
