import keras
import numpy as np
import pytest

from dropnorm.errors import ArgumentError
from dropnorm.keras import BatchNormActDropout, BatchNormalization, Dropout

BACKEND = keras.backend.backend()
differentiable = pytest.mark.skipif(BACKEND == "numpy", reason="NumPy has no gradients")


def three(activation, rate, **norm):
    """What the layer is the function of."""
    return keras.Sequential([BatchNormalization(**norm), keras.layers.Activation(activation), Dropout(rate, seed=3)])


@differentiable
@pytest.mark.parametrize(
    ("shape", "activation", "arguments"),
    [
        ((16, 5), "relu", {}),
        ((4, 6, 5), "gelu", {"axis": 1}),
        ((3, 4, 4, 5), "silu", {"momentum": 0.5}),
        ((3, 5, 4, 4), "leaky_relu", {"axis": 1}),
        ((16, 5), "tanh", {"epsilon": 0.1}),
        ((16, 5), "linear", {"renorm": True}),
        ((16, 5), "relu", {"scale": False}),
    ],
)
def test_it_is_the_function_of_three_layers(shape, activation, arguments, normal, backpropagated):
    x, grad = normal(*shape, mean=0.5), normal(*shape, seed=1)
    block, layers = BatchNormActDropout(0.3, activation, seed=3, **arguments), three(activation, 0.3, **arguments)
    for step in range(2):
        found = [backpropagated(each, x + step, grad, training=True) for each in (block, layers)]
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)
    weights = block.get_weights()
    for ours, theirs in zip(weights[: len(layers.layers[0].weights)], layers.layers[0].get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@differentiable
@pytest.mark.parametrize(("shape", "axis"), [((6, 5), -1), ((3, 4, 5), -1), ((3, 5, 4), 2)])
@pytest.mark.parametrize("channelwise", [False, True])
def test_positions_that_are_masked_do_not_count(shape, axis, channelwise, tensor, normal, array, contract):
    x = normal(*shape, mean=0.5)
    counted = np.arange(np.prod(shape[:-1])).reshape(shape[:-1]) % 3 != 0
    block = BatchNormActDropout(0.4, "linear", seed=2, channelwise=channelwise, axis=axis, momentum=0.0)
    y = array(block(tensor(x), training=True, mask=tensor(counted, "bool")))
    mean, variance = x[counted].mean(0), x[counted].var(0)
    if channelwise:
        kept = contract(2, 0, (shape[0], shape[-1]), 0.4).reshape(shape[0], *(1,) * (len(shape) - 2), shape[-1])
    else:
        kept = contract(2, 0, shape, 0.4)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3) * kept / 0.6, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(array(block.moving_variance), variance, rtol=1e-5)


@pytest.mark.skipif(BACKEND != "torch", reason="the kernel is torch's")
@pytest.mark.parametrize(
    ("shape", "arguments", "one_kernel"),
    [
        ((6, 5), {}, True),
        ((3, 5, 4), {"axis": 1}, True),
        ((3, 5, 4), {"axis": -2}, True),
        ((3, 4, 5), {"channelwise": True}, True),
        ((3, 4, 5), {"rate": 0.0}, True),
        ((3, 4, 5), {}, False),  # its mask would be another one
        ((6, 5), {"renorm": True}, False),
        ((6, 5), {"activation": "tanh"}, False),
        ((6, 5), {"trainable": False}, False),
    ],
)
def test_on_torch_it_is_one_kernel_where_it_can_be(shape, arguments, one_kernel, monkeypatch, tensor, normal):
    from dropnorm import ops

    calls = []
    fused = ops.batch_norm_act_dropout
    monkeypatch.setattr(ops, "batch_norm_act_dropout", lambda *a, **k: calls.append(1) or fused(*a, **k))
    BatchNormActDropout(**{"rate": 0.5} | arguments)(tensor(normal(*shape)), training=True)
    assert len(calls) == one_kernel


@pytest.mark.parametrize(("shape", "axis"), [((3, 4, 5), -1), ((3, 4, 5), 1), ((3, 4, 5, 6), 2)])
def test_channels_are_dropped_as_a_whole(shape, axis, array, tensor, normal, contract):
    block = BatchNormActDropout(0.5, "linear", seed=1, channelwise=True, axis=axis, center=False)
    y = array(block(tensor(normal(*shape)), training=True))
    kept = contract(1, 0, (shape[0], shape[axis]), 0.5)
    for axis_of_positions in sorted({*range(1, len(shape))} - {axis % len(shape)}):
        kept = np.expand_dims(kept, axis_of_positions)
    assert np.array_equal(y != 0, np.broadcast_to(kept, shape))


def test_inference_drops_nothing(array, tensor, normal):
    x = normal(6, 4)
    block = BatchNormActDropout(0.5)
    np.testing.assert_allclose(array(block(tensor(x))), np.maximum(x / np.sqrt(1 + 1e-3), 0), rtol=1e-6)
    assert np.array_equal(array(block(tensor(x), training=False)), array(block(tensor(x))))


def test_a_frozen_block_still_drops(array, tensor, contract):
    block = BatchNormActDropout(0.5, "linear", seed=2)
    block.trainable = False
    y = array(block(tensor(np.ones((6, 4))), training=True))
    np.testing.assert_allclose(y, contract(2, 0, (6, 4), 0.5) * 2 / np.sqrt(1 + 1e-3), rtol=1e-6)


@differentiable
@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((16, 3), {}),
        ((4, 5, 3), {"channelwise": True}),
        ((4, 5, 3), {"activation": "tanh"}),  # in three steps
    ],
)
def test_compiled_code_does_as_eager_code_in_both_passes(
    shape, arguments, compiled, tensor, normal, array, backpropagated
):
    eager, graph = (BatchNormActDropout(**{"rate": 0.3, "seed": 1} | arguments) for _ in range(2))
    for layer in (eager, graph):
        layer.build(shape)
    run = compiled(graph)
    for step in range(3):
        x, grad = normal(*shape, seed=step), normal(*shape, seed=step + 3)
        y, of_x, *_ = backpropagated(eager, x, grad, training=True)
        found = [array(each) for each in run(tensor(x), tensor(grad))]
        np.testing.assert_allclose(found[0], y, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[1], of_x, rtol=1e-4, atol=1e-5)
        assert np.array_equal(found[0] == 0, y == 0)
    for ours, theirs in zip(graph.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_mixed_precision(tensor, normal, array):
    x = normal(64, 5, mean=3)
    y = BatchNormActDropout(0.3, seed=1, dtype="mixed_bfloat16")(tensor(x, "bfloat16"), training=True)
    exact = BatchNormActDropout(0.3, seed=1)(tensor(x), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    np.testing.assert_allclose(array(keras.ops.cast(y, "float32")), array(exact), rtol=3e-2, atol=3e-2)


def test_it_is_made_again_from_its_configuration():
    block = BatchNormActDropout(0.2, "gelu", seed=5, channelwise=True, axis=1, nonfinite="propagate", name="block")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert type(again) is BatchNormActDropout
    assert again.get_config() == block.get_config()
    assert (again.activation, again.channelwise, again.nonfinite) == (keras.activations.gelu, True, "propagate")


def test_its_weights_are_a_batch_norm_s_and_the_generator_s(tensor):
    block = BatchNormActDropout(0.2)
    block.build((None, 3))
    names = [weight.name for weight in block.variables]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance", "seed_generator_state"]
    assert len(block.get_weights()) == 4


def test_what_is_refused(refuses):
    with refuses(ArgumentError, "rate=-0.1 is not a probability: expected 0 <= rate <= 1. Give rate such a number."):
        BatchNormActDropout(-0.1)
    with pytest.raises(ValueError, match="relo"):
        BatchNormActDropout(0.1, "relo")
