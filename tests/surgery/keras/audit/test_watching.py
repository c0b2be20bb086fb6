"""What is seen of layers while a model runs."""

import keras
import numpy as np
import pytest
import torch
from keras import layers

from dropnorm import keras as own
from dropnorm.surgery.keras.audit.watching import Seen, as_tensor, is_relu, watched
from dropnorm.surgery.keras.paths import layers_of


def run(model, x, training=False, dropping=False):
    seen = Seen()
    with torch.no_grad(), watched(layers_of(model), seen, dropping):
        outputs = model(x, training=training)
    return seen, keras.ops.convert_to_numpy(outputs)


@pytest.mark.parametrize("axis", [-1, 1])
def test_what_comes_to_a_batch_norm(axis, normal):
    x = normal(6, 5, 4, 3) + 2
    seen, _ = run(keras.Sequential([layers.BatchNormalization(axis=axis, name="norm")]), x, training=True)
    (batch,) = seen.batches
    others = tuple(each for each in range(4) if each != axis % 4)
    assert (batch.path, batch.rows, batch.by_batch) == ("norm", 6, True)
    assert batch.count == x.size // x.shape[axis]
    np.testing.assert_allclose(batch.mean, x.mean(others), rtol=1e-4)
    np.testing.assert_allclose(batch.var, x.var(others), rtol=1e-4)
    np.testing.assert_allclose(seen.moments["norm"].var, x.var(others), rtol=1e-4)


def test_a_frozen_batch_norm_and_one_in_inference_do_not_use_the_batch(normal):
    norm = layers.BatchNormalization()
    model = keras.Sequential([norm])
    assert not run(model, normal(4, 3))[0].batches[0].by_batch
    norm.trainable = False
    assert not run(model, normal(4, 3), training=True)[0].batches[0].by_batch


def test_units_and_squares(normal):
    x = normal(50, 4) + np.array([5, 0, -9, 0])
    relu, drop = layers.Activation("relu", name="relu"), layers.Dropout(0.5, name="drop")
    seen, _ = run(keras.Sequential([relu, drop]), x)
    assert seen.alive["relu"].tolist() == [True, True, False, True]
    np.testing.assert_allclose(seen.squares["drop"].mean, np.square(np.maximum(x, 0)).mean(0), rtol=1e-5)
    assert seen.training == []


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dropout(0.5),
        own.Dropout(0.5),
        layers.GaussianDropout(0.5),
        layers.SpatialDropout1D(0.5),
        own.BatchNormActDropout(0.5, activation="linear"),
        layers.LSTM(4, dropout=0.5),
        layers.SimpleRNN(4, recurrent_dropout=0.5),
        layers.Attention(dropout=0.5),
    ],
)
def test_what_drops_can_be_on_alone(layer, normal):
    inputs = keras.Input((7, 4))
    attends = isinstance(layer, layers.Attention)
    model = keras.Model(inputs, layers.BatchNormalization(name="norm")(layer([inputs, inputs] if attends else inputs)))
    x = normal(3, 7, 4)
    mean = [
        np.array(keras.ops.convert_to_numpy(each.value))
        for each in model.non_trainable_variables
        if "moving" in each.path
    ]
    calm, noisy, again = (run(model, x, dropping=dropping)[1] for dropping in (False, True, True))
    assert not np.allclose(calm, noisy)
    assert not np.allclose(again, noisy)
    np.testing.assert_array_equal(run(model, x)[1], calm)
    after = [
        np.array(keras.ops.convert_to_numpy(each.value))
        for each in model.non_trainable_variables
        if "moving" in each.path
    ]
    np.testing.assert_array_equal(mean, after)


def test_what_is_a_relu():
    inputs = keras.Input((4,))
    operation = keras.ops.relu(inputs)._keras_history.operation
    yes = operation, layers.ReLU(max_value=6.0), layers.Dense(3, activation="relu"), own.BatchNormActDropout()
    no = (
        layers.ReLU(negative_slope=0.1),
        layers.LeakyReLU(),
        layers.Dense(3),
        own.BatchNormActDropout(activation="gelu"),
    )
    assert all(map(is_relu, yes))
    assert not any(map(is_relu, no))


def test_half_precision_is_widened():
    assert as_tensor(keras.ops.ones((2,), "float16")).dtype == torch.float32
