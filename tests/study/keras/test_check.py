"""A network looked over: what is known of it, and what is refused, with the lines that led to it."""

import keras
import pytest
from keras import layers

from dropnorm.errors import ArgumentError
from dropnorm.study.design import configure
from dropnorm.study.keras.check import look_over
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.factory import factory_name

SOFTMAX = "def net(features, outputs):\n    return keras.Sequential([keras.Input((features,)), {}])"


def small(features, outputs):
    return keras.Sequential([keras.Input((features,)), layers.Dense(5, activation="relu"), layers.Dense(outputs)])


class Subclassed(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.first, self.last = layers.Dense(7, activation="relu"), layers.Dense(outputs, activation="softmax")

    def call(self, x):
        return self.last(self.first(x))


def known(factory, classes=3, **given):
    name = factory_name(factory) if callable(factory) else factory
    settings = {"features": 4, "outputs": classes or 1} | given
    return look_over(ModuleArchitecture(factory=name, **settings), configure(net=name), classes)


def test_what_is_known_of_a_net():
    found = known(small)
    assert (found.parameters, found.largest, found.input_shape, found.layout) == (
        5 * 4 + 5 + 3 * 5 + 3,
        5,
        (4,),
        "rows",
    )
    assert (found.meaning, found.loss, found.compiled) == ("logits", "sparse_categorical_crossentropy", False)
    assert found.backend == keras.backend.backend()
    assert found == known(small)


def test_a_model_of_a_class_of_ones_own_is_built_by_a_call():
    assert known(Subclassed).meaning == "probabilities"
    assert known(Subclassed).parameters == 7 * 4 + 7 + 3 * 7 + 3


@pytest.mark.parametrize(
    ("first", "shape", "layout"),
    [
        ("keras.Input((6, 5, 1)), layers.Conv2D(2, 3), layers.Flatten()", (6, 5, 1), "channels_last"),
        ("keras.Input((None, None, 1)), layers.GlobalMaxPooling2D()", (6, 5, 1), "channels_last"),
        ("keras.Input((1, 6, 5)), layers.Flatten()", (1, 6, 5), "channels_first"),
        ("keras.Input((6, 5)), layers.Flatten()", (6, 5), "channels_last"),
        ("keras.Input((30,))", (30,), "rows"),
        ("layers.Flatten()", (6, 5, 1), "channels_last"),
    ],
)
def test_images_come_as_the_net_takes_them(written, first, shape, layout):
    body = f"def net():\n    return keras.Sequential([{first}, layers.Dense(3)])"
    given = written(body, features=30, image=(1, 6, 5))
    found = look_over(given, configure(net=given.factory), 3)
    assert (found.input_shape, found.layout) == (shape, layout)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "made = keras.Sequential([keras.Input((4,)), layers.Dense(3)])\ndef net():\n    return made",
            "gives the same model twice",
        ),
        (
            "shared = layers.Dense(3)\ndef net():\n    return keras.Sequential([keras.Input((4,)), shared])",
            "with the same layers",
        ),
        (
            "def net():\n    made = keras.Sequential([keras.Input((4,)), layers.Dense(3)])\n    made.compile('sgd', 'mse')\n"
            "    made.fit(keras.ops.ones((2, 4)), keras.ops.ones((2, 3)), verbose=0)\n    return made",
            "was trained already, by 1 steps",
        ),
        (
            "widths = iter(range(1, 9))\ndef net():\n"
            "    return keras.Sequential([keras.Input((4,)), layers.Dense(next(widths)), layers.Dense(3)])",
            "gives another net at each call",
        ),
        (
            SOFTMAX.format("layers.Dense(2)"),
            "gives shape (4, 2) for a batch of shape (4, 4): expected a tensor of shape (4, 3)",
        ),
        (SOFTMAX.format("layers.Flatten()"), "has no weight to train"),
        (SOFTMAX.format("layers.Dense(3, dtype='float64')"), "of float64: expected weights of float32"),
        (
            SOFTMAX.format("layers.Dense(3, bias_initializer=keras.initializers.Constant(float('nan')))"),
            "gives NaN or infinity",
        ),
        (
            "def net():\n    return keras.Sequential([keras.Input((7,)), layers.Dense(3)])",
            "takes an input of shape (7,), where a row",
        ),
        (
            "def net():\n    x, y = keras.Input((4,)), keras.Input((4,))\n"
            "    return keras.Model([x, y], layers.Dense(3)(x + y))",
            "expected one input of shape (4,)",
        ),
        (
            "class Own(keras.layers.Layer):\n    def call(self, x, training=False):\n        return 1 / 0 if training else x\n"
            "def net():\n    return keras.Sequential([keras.Input((4,)), layers.Dense(3), Own()])",
            "makes a net that fails in fit",
        ),
    ],
)
def test_what_cannot_be_studied_is_refused(written, body, told):
    given = written(body)
    with pytest.raises(ArgumentError) as caught:
        look_over(given, configure(net=given.factory), 3)
    assert told in str(caught.value)


def test_a_learning_rate_that_would_have_no_say_is_refused(written, refuses):
    given = written(
        "def net():\n    made = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation='softmax')])\n"
        "    made.compile('adam', 'sparse_categorical_crossentropy')\n    return made"
    )
    look_over(given, configure(net=given.factory), 3)
    with refuses(
        ArgumentError,
        f"learning_rate=0.1 is given, and the net of {given.factory!r} is compiled with an optimizer of its own: expected one "
        "of them. Leave learning_rate, or compile, out.",
    ):
        look_over(given, configure(net=given.factory, learning_rate=0.1), 3)


def unbuilt_of_rows(features, outputs):
    return keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(outputs)])


def unbuilt_of_images(outputs):
    return keras.Sequential([layers.Conv2D(2, 3, padding="same"), layers.Flatten(), layers.Dense(outputs)])


def unbuilt_of_images_that_asks_for_features(features, outputs):
    return unbuilt_of_images(outputs)


class Rows(Subclassed):
    def __init__(self, features, outputs):
        super().__init__(outputs)
        self.features = features


@pytest.mark.parametrize(
    ("factory", "shape", "layout"),
    [
        (unbuilt_of_rows, (30,), "rows"),
        (unbuilt_of_images, (6, 5, 1), "channels_last"),
        (unbuilt_of_images_that_asks_for_features, (6, 5, 1), "channels_last"),
        (Rows, (30,), "rows"),
    ],
)
def test_a_factory_that_asks_for_features_is_given_rows(factory, shape, layout):
    found = known(factory, features=30, image=(1, 6, 5))
    assert (found.input_shape, found.layout) == (shape, layout)
