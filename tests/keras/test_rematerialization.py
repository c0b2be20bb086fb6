import contextlib

import keras
import numpy as np
import pytest

from dropnorm.errors import RecomputationError
from dropnorm.keras import BatchNormActDropout, Dropout, SpatialDropout1D

BACKEND = keras.backend.backend()
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="JAX and TensorFlow refuse such layers")


@pytest.mark.parametrize("layer", [Dropout, SpatialDropout1D, BatchNormActDropout])
def test_a_call_is_kept_as_it_is_on_torch_and_as_keras_says_elsewhere(layer):
    with keras.RematScope(mode="full"):
        inside = layer(0.5)
    assert (inside.rematerialized_call(inside.call) == inside.call) == (BACKEND == "torch")


@on_torch
@pytest.mark.parametrize("mode", [{"mode": "full"}, {"mode": "list_of_layers", "layer_names": ["one", "two", "three"]}])
def test_what_is_computed_again_leaves_a_layer_with_a_seed_as_it_is(mode, normal):
    def trained(scope):
        keras.utils.set_random_seed(3)
        with scope:
            layers = [
                keras.layers.Dense(6),
                BatchNormActDropout(0.4, axis=1, seed=1, name="one"),
                SpatialDropout1D(0.3, seed=2, name="two"),
                keras.layers.Dense(6, activation="tanh"),
                Dropout(0.3, seed=3, name="three"),
                keras.layers.Dense(1),
            ]
        model = keras.Sequential([keras.Input((5, 4)), *layers])
        model.compile(keras.optimizers.SGD(0.5), "mse")
        model.fit(normal(24, 5, 4), normal(24, 5, 1, seed=1), batch_size=8, shuffle=False, verbose=0)
        return [*model.get_weights(), *(v.value.clone() for layer in layers for v in layer.non_trainable_variables)]

    for ours, plain in zip(trained(keras.RematScope(**mode)), trained(contextlib.nullcontext()), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-6, atol=1e-7)


@on_torch
@pytest.mark.parametrize("layer", [Dropout, BatchNormActDropout])
def test_a_whole_that_is_computed_again_with_a_seed_in_it_is_refused(layer, tensor, normal):
    inner = layer(0.5, seed=1)
    inner.build((8, 4))
    x = tensor(normal(8, 4)).requires_grad_()
    y = keras.remat(lambda x: keras.ops.sin(inner(keras.ops.exp(x), training=True)))(x)
    message = (
        r"A dropout of dropnorm.keras is called by a backward pass, as activation checkpointing does \(keras.RematScope, "
        r"keras.remat, torch.utils.checkpoint\): its seed has moved on since the forward pass, so that it would drop other "
        r"units. Leave it out of what is computed again: it keeps its input at most\."
    )
    with pytest.raises(RecomputationError, match=message):
        y.sum().backward()
