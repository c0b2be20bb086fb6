"""Monte Carlo dropout of Keras models: masks by the contract, batch norm in inference mode, nothing changed."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from keras import layers

import dropnorm as dn
from dropnorm import keras as own
from dropnorm.errors import ArgumentError, ShapeError
from dropnorm.random import keep_mask
from dropnorm.surgery.keras.masking import arrays, masked_passes

KEY, ROWS, SAMPLES = 5, torch.arange(3, 7), torch.tensor([0, 2])
INDICES = torch.tensor([sample * 2**32 + row for sample in (0, 2) for row in range(3, 7)])


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def run(model, x):
    with masked_passes(model, KEY) as passes:
        return passes(x, ROWS, SAMPLES).flatten(0, 1).numpy()


def chosen(x):
    return np.concatenate([x[3:7]] * 2)


def mask(columns, rate, site=0):
    return keep_mask(torch.tensor(KEY), INDICES, columns, [rate], site=site).numpy()


@pytest.mark.parametrize("kind", [layers.Dropout, own.Dropout])
def test_units_are_dropped_by_the_contract(kind):
    x = normal(9, 2, 5)
    expected = chosen(x) * mask(10, 0.3).reshape(8, 2, 5) / 0.7
    np.testing.assert_allclose(run(keras.Sequential([kind(0.3)]), x), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [layers.SpatialDropout2D, own.SpatialDropout2D])
@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
def test_channels_are_dropped_by_the_contract(kind, order):
    x, shape = normal(9, 4, 2, 6), (8, 1, 1, 6) if order == "channels_last" else (8, 4, 1, 1)
    expected = chosen(x) * mask(max(shape[1:]), 0.5).reshape(shape) / 0.5
    np.testing.assert_allclose(run(keras.Sequential([kind(0.5, data_format=order)]), x), expected, rtol=1e-6)


def test_stochastic_depth_has_one_decision_for_a_row():
    x = normal(9, 4, 2)
    expected = chosen(x) * mask(1, 0.5).reshape(8, 1, 1) / 0.5
    np.testing.assert_allclose(run(keras.Sequential([layers.Dropout(0.5, noise_shape=(None, 1, 1))]), x), expected)


@pytest.mark.parametrize("channelwise", [False, True])
def test_a_fused_block_is_batch_norm_frozen_and_dropout_on(channelwise):
    x = normal(9, 3, 4)
    block = own.BatchNormActDropout(0.5, channelwise=channelwise)
    block.build(x.shape)
    block.moving_mean.assign(normal(4))
    before = keras.ops.convert_to_numpy(block(chosen(x), training=False))
    dropped = mask(4, 0.5)[:, None, :] if channelwise else mask(12, 0.5).reshape(8, 3, 4)
    np.testing.assert_allclose(run(keras.Sequential([block]), x), before * dropped / 0.5, rtol=1e-6)
    np.testing.assert_array_equal(block.moving_mean.numpy(), normal(4))


def test_alpha_dropout_is_keras_s_but_for_the_mask():
    x, layer = normal(9, 12), layers.AlphaDropout(0.3)
    outputs = run(keras.Sequential([layer]), x)
    # Of Keras's own output the map is read off: what it does to kept units, and where it puts dropped ones.
    ones, twos = (
        np.unique(keras.ops.convert_to_numpy(layer(np.full((500, 4), value, "float32"), training=True)))
        for value in (1.0, 2.0)
    )
    assert len(ones) == len(twos) == 2
    dropped, scale = ones[0], twos[1] - ones[1]
    expected = np.where(mask(12, 0.3), scale * chosen(x) + ones[1] - scale, dropped)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_each_call_of_a_dropout_has_a_site_of_its_own():
    inputs, drop = keras.Input((5,)), layers.Dropout(0.5)
    model = keras.Model(inputs, layers.Concatenate()([drop(inputs), drop(inputs, training=True)]))
    outputs = run(model, np.ones((9, 5), "float32"))
    np.testing.assert_array_equal(outputs != 0, np.concatenate([mask(5, 0.5), mask(5, 0.5, site=1)], axis=1))


def test_what_comes_before_the_first_dropout_is_computed_once():
    seen = []

    class Watch(layers.Layer):
        def call(self, x):
            seen.append(x.shape[0])
            return x

    model = keras.Sequential([keras.Input((5,)), Watch(), layers.Dropout(0.5), Watch()])
    seen.clear()
    run(model, normal(9, 5))
    assert seen == [4, 8]


def test_a_way_around_the_dropout_meets_it():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Add()([inputs, layers.Dropout(0.5)(inputs)]))
    x = normal(9, 5)
    np.testing.assert_allclose(run(model, x), chosen(x) * (1 + mask(5, 0.5) / 0.5), rtol=1e-5, atol=1e-6)


def test_nested_models_attention_and_several_inputs():
    inputs = keras.Input((4, 6))
    attended = layers.MultiHeadAttention(2, 3, dropout=0.5)(inputs, inputs)
    inner = keras.Sequential([keras.Input((4, 6)), layers.Flatten(), layers.Dropout(0.5)])
    other = keras.Input((3,))
    model = keras.Model([inputs, other], layers.Dense(2)(layers.Concatenate()([inner(attended), other])))
    x = [normal(9, 4, 6), normal(9, 3)]
    told = dn.mc_predict(model, x, samples=8)
    parts = dn.mc_predict(model, x, samples=8, passes_at_once=5)
    assert told.mean.shape == (9, 2)
    assert (told.variance > 0).all()
    np.testing.assert_allclose(parts.mean, told.mean, rtol=1e-4, atol=1e-6)


def test_subclassed_models():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop, self.head = layers.Dropout(0.5), layers.Dense(3)

        def call(self, x, training=False):
            return self.head(self.drop(x, training=training))

    told = dn.mc_predict(Net(), normal(9, 5), samples=10, from_logits=True)
    assert (told.variance > 0).all()


def test_the_model_is_as_it_was():
    model = keras.Sequential(
        [layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.5, seed=1), layers.Dense(3)]
    )
    model(normal(9, 5), training=True)
    state = [variable.numpy() for variable in model.variables]
    draws = model.layers[2].seed_generator.state.numpy()
    dn.mc_predict(model, normal(9, 5), samples=10)
    for variable, before in zip(model.variables, state, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)
    np.testing.assert_array_equal(model.layers[2].seed_generator.state.numpy(), draws)
    assert not any("call" in vars(layer) for layer in model.layers)


class Other(layers.Dropout):
    def call(self, inputs, training=False):
        return inputs if not training else super().call(inputs, training=training) + 1.0


def named(layer, **call):
    layer.name = "it"
    inputs = keras.Input((4, 5))
    return keras.Model(inputs, layer(inputs, **call))


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (layers.Dense(3), ArgumentError, "model has no dropout layer with a rate above 0"),
        (layers.Dropout(0.0), ArgumentError, "model has no dropout layer with a rate above 0"),
        (Other(0.5), ArgumentError, "the layer 'it' of the class Other drops by noise of its own"),
        (layers.GaussianDropout(0.5), ArgumentError, "the layer 'it' of the class GaussianDropout drops by noise"),
        (layers.LSTM(3, dropout=0.2), ArgumentError, "the layer 'it/lstm_cell' of the class LSTMCell drops by noise"),
        (layers.Dropout(0.5, noise_shape=(1, None, 1)), ArgumentError, "the dropout 'it' has noise_shape=.1, None, 1."),
    ],
)
def test_what_cannot_be_sampled(layer, error, message):
    with pytest.raises(error, match=message):
        run(named(layer), normal(9, 4, 5))


def test_a_batch_norm_by_the_batch_cannot_be_sampled():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.norm = layers.BatchNormalization(name="norm")

        def call(self, x):
            return self.norm(x, training=True)

    with pytest.raises(
        ArgumentError, match=r"\Athe batch norm 'block/norm' is called with training=True: expected one"
    ):
        run(keras.Sequential([Block(), layers.Dropout(0.5)]), normal(9, 4, 5))
    # The training=False of predict goes before what a functional model was made with.
    inputs = keras.Input((4, 5))
    model = keras.Model(inputs, layers.Dropout(0.5)(layers.BatchNormalization()(inputs, training=True)))
    assert run(model, normal(9, 4, 5)).shape == (8, 4, 5)


def test_samples_along_another_dimension_and_dropouts_that_are_not_called():
    class Model(keras.Model):
        def __init__(self, first):
            super().__init__()
            self.first, self.drop = first, layers.Dropout(0.5)

        def call(self, x):
            return keras.ops.transpose(self.drop(keras.ops.transpose(x))) if self.first else x

    with pytest.raises(ShapeError, match=r"the dropout 'dropout.*' got the shape \(5, 8\): expected \(8, \*\)"):
        run(Model(True), normal(9, 5))
    with pytest.raises(ArgumentError, match="no dropout layer of the model is called in its forward pass"):
        run(Model(False), normal(9, 5))


def test_outputs_and_inputs_that_do_not_fit():
    inputs = keras.Input((5,))
    with pytest.raises(ArgumentError, match="model has 2 outputs: expected one, whose spread is told"):
        run(keras.Model(inputs, [layers.Dropout(0.5)(inputs), inputs]), normal(9, 5))
    with pytest.raises(ShapeError, match="x has inputs of 3 and 4 rows: expected the same number in each"):
        arrays([normal(3, 2), normal(4, 2)])


ON_ANOTHER_BACKEND = """
import sys, keras, numpy as np
from keras import layers
import dropnorm as dn
from dropnorm import keras as own
inputs = keras.Input((6, 6, 4))
x = layers.BatchNormalization()(layers.Conv2D(5, 3)(inputs))
x = own.SpatialDropout2D(0.3)(layers.ReLU()(x))
x = layers.Dropout(0.2)(layers.Flatten()(x))
model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
generator = np.random.default_rng(1)
model.set_weights([generator.uniform(0.1, 0.3, weight.shape) for weight in model.get_weights()])
told = dn.mc_predict(model, generator.normal(size=(7, 6, 6, 4)).astype("float32"), samples=9, key=2**40 + 3)
np.savez(sys.argv[1], told.mean, told.variance, told.low, told.high, told.predictive_entropy, told.mutual_information)
"""


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="started from the process that has torch")
def test_every_backend_tells_the_same(tmp_path):
    found = {}
    for backend in ("torch", "jax", "tensorflow"):
        path = str(tmp_path / f"{backend}.npz")
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
        command = [sys.executable, "-c", ON_ANOTHER_BACKEND, path]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(path) as values:
            found[backend] = [values[name] for name in values.files]
    for backend in ("jax", "tensorflow"):
        for one, other in zip(found[backend], found["torch"], strict=True):
            # float32 matrix products of other libraries
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_dropouts_of_one_rate_on_several_numbers_of_dimensions():
    model = keras.Sequential(
        [
            keras.Input((8, 3)),
            *(layers.Dropout(0.5), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)),
        ]
    )
    # TensorFlow would trace one function for both, of no known rank, once it has seen several lengths.
    for rows in (4, 5, 6):
        told = dn.mc_predict(model, np.ones((rows, 8, 3), "float32"), samples=4, task="regression")
        assert told.mean.shape == (rows, 3)
