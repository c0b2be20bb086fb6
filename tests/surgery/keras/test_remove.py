import keras
import numpy as np
import pytest
from keras import layers

import dropnorm as dn
from dropnorm import keras as own


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def net():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="a"),
            layers.Dense(7, name="b", bias_regularizer="l2"),
            layers.Activation("tanh"),
            layers.Dense(3, name="c"),
        ]
    )


def test_it_is_the_way_back(randomized, agree, normal):
    model = randomized(net())
    new = dn.regularize(model, input_dropout=0.1).apply()
    plan = dn.remove(new)
    back = plan.apply()
    assert kinds(back) == ["Dense", "Activation", "Dense", "Activation", "Dense"]
    for name in "abc":
        for old, now in zip(model.get_layer(name).weights, back.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(now, old)
    assert isinstance(back.get_layer("b").bias_regularizer, keras.regularizers.L2)
    agree(model, back, normal(4, 6), 1e-6)
    assert str(plan).startswith("Sequential: 5 layers removed, 2 biases given back\n")


def test_only_one_of_them(names):
    new = dn.regularize(net()).apply()
    assert not {"Dropout"} & set(kinds(dn.remove(new, batch_norm=False).apply()))
    assert kinds(dn.remove(new, batch_norm=False).apply()).count("BatchNormalization") == 2
    kept = kinds(dn.remove(new, dropout=False).apply())
    assert (kept.count("Dropout"), kept.count("BatchNormalization")) == (2, 0)


def test_every_dropout_of_keras_and_ours():
    dropouts = [layers.Dropout(0.1), layers.GaussianDropout(0.1), layers.AlphaDropout(0.1), own.Dropout(0.1)]
    model = keras.Sequential([keras.Input((4,)), *dropouts, layers.GaussianNoise(0.1), layers.Dense(2)])
    assert kinds(dn.remove(model).apply()) == ["GaussianNoise", "Dense"]


@pytest.mark.parametrize("channelwise", [False, True])
def test_what_is_left_of_a_fused_layer(channelwise, normal):
    fused = own.BatchNormActDropout(0.5, "tanh", channelwise=channelwise, name="f")
    model = keras.Sequential([keras.Input((9, 4)), layers.Dense(4, use_bias=False, name="a"), fused, layers.Dense(2)])
    assert kinds(dn.remove(model).apply()) == ["Dense", "Activation", "Dense"]
    assert dn.remove(model).apply().get_layer("a").use_bias
    assert dn.remove(model, batch_norm=False).apply().get_layer("f").rate == 0.0
    left = dn.remove(model, dropout=False).apply()
    assert kinds(left) == ["Dense", "Activation", "Dropout", "Dense"]
    y = keras.ops.convert_to_numpy(left.get_layer("f_dropout")(np.ones((16, 9, 4), "float32"), training=True))
    assert (y.std(axis=1).max() == 0) is channelwise or (y.std(axis=1) == 0).all() == channelwise


def test_in_nested_models_and_at_outputs(nested, randomized, normal):
    randomized(nested)
    new = dn.remove(nested).apply()
    assert kinds(new.get_layer("block")) == ["Conv2D", "Identity"]
    assert "drop" not in [layer.name for layer in new.layers]
    assert "drop" in [layer.name for layer in nested.layers]


def test_a_batch_norm_behind_an_activation_leaves_no_bias():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, activation="relu", use_bias=False, name="a"), layers.BatchNormalization()]
    )
    assert not dn.remove(model).apply().get_layer("a").use_bias
