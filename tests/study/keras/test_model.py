import keras
import numpy as np
import pytest
from keras import layers

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.keras.model import make_model, weighted_layers


def test_a_model_is_built_for_the_data_and_the_same_for_the_same_key(written):
    given = written("def net(outputs):\n    return keras.Sequential([layers.Dense(5), layers.Dense(outputs)])")
    one, same, other = (make_model(given, key).get_weights() for key in (1, 1, 2))
    assert [weight.shape for weight in one] == [(4, 5), (5,), (5, 3), (3,)]
    assert all(np.array_equal(*pair) for pair in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_a_factory_may_ask_for_the_shape_of_an_image_as_keras_has_it(written):
    body = "def net(input_shape, outputs):\n    return keras.Sequential([keras.Input(input_shape), layers.Flatten()])"
    given = written(body, features=30, image=(3, 2, 5))
    assert make_model(given, 0).input_shape == (None, 2, 5, 3)


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (
            "def net():\n    return layers.Dense(3)",
            ArgumentTypeError,
            "gives Dense: expected a keras.Model at each call",
        ),
        (
            "def net():\n    return keras.Sequential([layers.Conv2D(3, 3)])",
            ArgumentError,
            "cannot be built for rows of shape",
        ),
        ("def net():\n    raise KeyError('mine')", ArgumentError, "KeyError: 'mine'"),
    ],
)
def test_what_is_no_model_or_cannot_be_built_is_refused(written, body, kind, told):
    with pytest.raises(kind) as caught:
        make_model(written(body), 0)
    assert told in str(caught.value)


def test_weighted_layers_are_found_inside_of_models_and_wrappers():
    inner = keras.Sequential([keras.Input((5, 4)), layers.TimeDistributed(layers.Dense(6)), layers.Conv1D(2, 3)])
    model = keras.Sequential([keras.Input((5, 4)), inner, layers.Flatten(), layers.Dropout(0.5), layers.Dense(1)])
    assert [type(layer).__name__ for layer in weighted_layers(model)] == ["Dense", "Conv1D", "Dense"]
