"""The last activation and the loss, in the cases that examples of the page leave out."""

import keras
import pytest
from keras import layers, losses

import dropnorm as dn


def codes(head, loss, **more):
    model = keras.Sequential([keras.Input((4,)), *head])
    model.compile("sgd", loss, **more)
    return dn.audit(model).codes


@pytest.mark.parametrize(
    ("head", "loss", "expected"),
    [
        ([layers.Dense(1)], "binary_crossentropy", ("DN109",)),
        ([layers.Dense(1)], losses.BinaryCrossentropy(from_logits=True), ()),
        ([layers.Dense(1, activation="sigmoid")], losses.BinaryCrossentropy(from_logits=True), ("DN105",)),
        ([layers.Dense(1, activation="tanh")], losses.BinaryFocalCrossentropy(), ("DN109",)),
        ([layers.Dense(3), layers.Softmax()], "categorical_crossentropy", ()),
        (
            [layers.Dense(3), layers.Activation("softmax")],
            losses.CategoricalFocalCrossentropy(from_logits=True),
            ("DN105",),
        ),
        ([layers.Dense(3)], ["sparse_categorical_crossentropy"], ("DN109",)),
        ([layers.Dense(3)], losses.categorical_crossentropy, ("DN109",)),
        ([layers.Dense(1)], "mse", ()),
        ([layers.Dense(3), layers.Lambda(keras.ops.softmax)], "sparse_categorical_crossentropy", ()),
        ([layers.Dense(1), layers.Softmax()], "mse", ("DN110",)),
        ([layers.Dense(3), layers.Softmax(), layers.Reshape((3, 1))], "mse", ()),
    ],
)
def test_what_fits(head, loss, expected):
    assert codes(head, loss) == expected
