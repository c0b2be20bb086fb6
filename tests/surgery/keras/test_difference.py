import keras
import pytest
from keras import layers

import dropnorm as dn
from dropnorm.surgery.keras.difference import described


def test_nested_models_show_their_paths_and_each_layer_once():
    block = keras.Sequential([layers.Conv2D(4, 3, activation="relu", name="conv")], name="block")
    x = keras.Input((8, 8, 3), name="x")
    y = layers.Add(name="add")([block(x), block(x)])
    model = keras.Model(x, layers.Dense(2, name="head")(layers.Flatten(name="flat")(keras.ops.relu(y))))
    plan = dn.regularize(model, dropout=0.25, input_dropout=0.5)
    relu = next(each.name for each in model.operations if type(each).__name__ == "Relu")
    assert str(plan).splitlines() == [
        "Functional: 2 dropouts added",
        "  x: Input((8, 8, 3))",
        "+ x_dropout: Dropout(0.5)",
        "  block/conv: Conv2D(4, 3, activation='relu')",
        "  add: Add()",
        f"  {relu}: Relu()",
        f"+ {relu}_dropout: SpatialDropout2D(0.25)",
        "  flat: Flatten()",
        "  head: Dense(2)",
        "  block/conv: no batch norm: it is called more than once in a forward pass, and each use has statistics of its own.",
    ]


def test_what_is_removed_and_what_takes_its_place():
    model = keras.Sequential(
        [keras.Input((4,), name="x"), layers.Dense(3, use_bias=False, name="a"), layers.BatchNormalization(name="n")]
    )
    assert str(dn.remove(model)).splitlines() == [
        "Sequential: 1 layer removed, 1 bias given back",
        "  x: Input((4,))",
        "- a: Dense(3, use_bias=False)",
        "+ a: Dense(3)",
        "- n: BatchNormalization()",
    ]


def test_a_layer_of_which_only_values_change_is_no_change_to_be_seen():
    model = keras.Sequential(
        [keras.Input((4,), name="x"), layers.Dense(3, name="a"), layers.BatchNormalization(name="n")]
    )
    assert str(dn.fold(model)).splitlines()[-3:] == ["  x: Input((4,))", "  a: Dense(3)", "- n: BatchNormalization()"]


class Own(layers.Layer):
    pass


def squared(x):
    return x * x


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (layers.Dense(3), "Dense(3)"),
        (layers.Conv2D(8, (3, 3), strides=2, padding="same"), "Conv2D(8, 3, strides=2, padding='same')"),
        (layers.Conv2D(8, (3, 1)), "Conv2D(8, (3, 1))"),
        (layers.Dense(3, kernel_regularizer="l2", activation=None), "Dense(3, kernel_regularizer='L2')"),
        (layers.BatchNormalization(momentum=0.9, axis=1), "BatchNormalization(axis=1, momentum=0.9)"),
        (layers.MaxPooling2D(), "MaxPooling2D(strides=2)"),
        (layers.Dropout(0.5, seed=3), "Dropout(0.5, seed=3)"),
        (layers.Activation("relu"), "Activation('relu')"),
        (Own(), "Own()"),
        (layers.Dense(3, activation=squared), "Dense(3, activation='squared')"),
        (layers.Dense(3, activation=lambda x: x), "Dense(3, activation='lambda')"),
        (None, "of any shape"),
    ],
)
def test_a_layer_as_it_would_be_made(layer, text):
    assert described(layer) == text
