import keras
from keras import layers

from dropnorm.study.keras.fingerprint import fingerprint_of


def made(*inner, width=4, activation="relu"):
    return keras.Sequential([keras.Input((width,)), layers.Dense(3, activation=activation), *inner])


class Own(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units


def test_models_made_alike_have_one_whatever_their_names():
    assert fingerprint_of(made()) == fingerprint_of(made())
    assert fingerprint_of(made(made(width=3))) == fingerprint_of(made(made(width=3)))


def test_other_layers_settings_or_shapes_have_another():
    different = [made(), made(layers.Dropout(0.1)), made(layers.Dropout(0.2)), made(activation="tanh"), made(Own(3))]
    assert len({fingerprint_of(model) for model in different}) == len(different)
