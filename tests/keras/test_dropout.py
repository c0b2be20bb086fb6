import re

import keras
import numpy as np
import pytest
import torch

from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError
from dropnorm.keras import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, _backend
from dropnorm.random import keep_mask

BACKEND = keras.backend.backend()
SPATIAL = {SpatialDropout1D: (4, 5, 3), SpatialDropout2D: (4, 5, 6, 3), SpatialDropout3D: (4, 2, 3, 2, 3)}


@pytest.mark.parametrize(
    ("shape", "rate"),
    [
        ((1, 1), 0.5),
        ((3, 7), 0.2),
        ((2, 31), 0.9),
        ((5, 33), 1e-3),
        ((4, 128), 0.5),
        ((3, 130), 0.2),
        ((2, 3, 5, 7), 0.9),
        ((70, 63), 0.2),
        ((9,), 0.5),
        ((0, 4), 0.5),
    ],
)
def test_the_mask_is_the_contract_s(shape, rate, array, tensor, contract):
    y = array(Dropout(rate, seed=7)(tensor(np.ones(shape)), training=True))
    kept = contract(7, 0, shape, rate)
    assert np.array_equal(y, np.where(kept, np.float32(1 / (1 - rate)), 0))


def test_ties_are_settled_by_the_second_draw(array, tensor, contract):
    # 2**18 units have four ties on average, and none in one of 50 runs: with this seed there are some.
    shape, rate = (512, 512), 0.2
    dropped = ~contract(5, 0, shape, rate)
    assert (dropped != ~contract(5, 0, shape, int(0.2 * 2**16) / 2**16)).any()
    assert np.array_equal(array(Dropout(rate, seed=5)(tensor(np.ones(shape)), training=True)) == 0, dropped)


def test_each_call_has_the_next_key(array, tensor, contract):
    layer = Dropout(0.5, seed=123)
    for call in range(3):
        y = array(layer(tensor(np.ones((8, 40))), training=True))
        assert np.array_equal(y != 0, contract(123, call, (8, 40), 0.5))


def test_the_share_of_dropped_units_is_the_rate(array, tensor):
    units, rate = 400_000, 0.2
    dropped = (array(Dropout(rate, seed=1)(tensor(np.ones((400, 1000))), training=True)) == 0).sum()
    # Five standard deviations: a right mask fails with probability 6e-7.
    assert abs(dropped - units * rate) < 5 * np.sqrt(units * rate * (1 - rate))


@pytest.mark.parametrize("training", [False, None])
def test_inference_is_the_identity(training, tensor):
    x = tensor(np.ones((2, 3)))
    assert Dropout(0.5)(x, training=training) is x


def test_a_rate_of_zero_keeps_and_of_one_drops_everything(array, tensor, normal):
    x = normal(4, 5)
    assert np.array_equal(array(Dropout(0)(tensor(x), training=True)), x)
    assert not array(Dropout(1)(tensor(x), training=True)).any()


def test_the_same_seed_gives_the_same_masks_and_none_is_drawn_anew(array, tensor):
    x = tensor(np.ones((20, 50)))
    of_seed = [array(Dropout(0.5, seed=3)(x, training=True)) for _ in range(2)]
    assert np.array_equal(*of_seed)
    drawn = [array(Dropout(0.5)(x, training=True)) for _ in range(2)]
    assert not np.array_equal(*drawn)
    again = []
    for _ in range(2):
        keras.utils.set_random_seed(11)
        again.append(array(Dropout(0.5)(x, training=True)))
    assert np.array_equal(*again)


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy has no gradients")
def test_the_gradient_has_the_mask_of_the_output(normal, contract, backpropagated):
    x, grad = normal(6, 37), normal(6, 37, seed=1)
    y, of_x = backpropagated(Dropout(0.3, seed=9), x, grad, training=True)
    kept = contract(9, 0, x.shape, 0.3)
    np.testing.assert_allclose(y, np.where(kept, x / np.float32(0.7), 0), rtol=1e-6)
    np.testing.assert_allclose(of_x, np.where(kept, grad / np.float32(0.7), 0), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_dropped_unit_is_zero_whatever_it_was(value, array, tensor, contract):
    y = array(Dropout(0.5, seed=2)(tensor(np.full((8, 8), value)), training=True))
    kept = contract(2, 0, (8, 8), 0.5)
    assert (y[~kept] == 0).all()
    assert not np.isfinite(y[kept]).any()


@pytest.mark.parametrize(
    ("noise_shape", "mask_shape"),
    [
        ((None, 1, 5), (6, 1, 5)),
        ((6, 4, 1), (6, 4, 1)),
        ((1, 4, 5), (1, 4, 5)),
        ((None, 1, 1), (6, 1, 1)),
        ((5,), (1, 1, 5)),
        ([4, 1], (1, 4, 1)),
        ((None, None, None), (6, 4, 5)),
    ],
)
def test_noise_shape_shares_decisions(noise_shape, mask_shape, array, tensor, contract, normal):
    x = normal(6, 4, 5)
    y = array(Dropout(0.4, noise_shape=noise_shape, seed=3)(tensor(x), training=True))
    kept = np.broadcast_to(contract(3, 0, mask_shape, 0.4), x.shape)
    np.testing.assert_allclose(y, np.where(kept, x / np.float32(0.6), 0), rtol=1e-6)


@pytest.mark.parametrize("layer", SPATIAL, ids=lambda layer: layer.__name__)
def test_spatial_dropouts_drop_channels(layer, array, tensor, contract, normal):
    x = normal(*SPATIAL[layer])
    kept = contract(4, 0, (x.shape[0], x.shape[-1]), 0.5).reshape(x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
    assert np.array_equal(array(layer(0.5, seed=4)(tensor(x), training=True)), np.where(kept, 2 * x, 0))
    assert np.array_equal(array(layer(0.5)(tensor(x))), x)
    if layer is not SpatialDropout1D:
        first = array(layer(0.5, "channels_first", seed=4)(tensor(np.moveaxis(x, -1, 1)), training=True))
        assert np.array_equal(np.moveaxis(first, 1, -1), np.where(kept, 2 * x, 0))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_has_the_mask_of_float32_and_is_rounded_once(dtype, array, tensor, contract, normal):
    x = tensor(normal(4, 33), dtype)
    y = Dropout(0.3, seed=1, dtype=dtype)(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    exact = np.where(contract(1, 0, (4, 33), 0.3), array(keras.ops.cast(x, "float32")) * np.float32(1 / 0.7), 0)
    rounded = array(keras.ops.cast(tensor(exact, dtype), "float32"))
    assert np.array_equal(array(keras.ops.cast(y, "float32")), rounded)


def test_mixed_precision(tensor, array, contract):
    keras.config.set_dtype_policy("mixed_bfloat16")
    y = Dropout(0.5, seed=1)(tensor(np.ones((3, 4))), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert np.array_equal(array(keras.ops.cast(y, "float32")) != 0, contract(1, 0, (3, 4), 0.5))


# The input's shape, that of the mask, and the layer.
COMPILED = {
    "units": ((5, 7, 9), (5, 7, 9), lambda: Dropout(0.3, seed=1)),
    "shared": ((5, 7, 9), (1, 7, 9), lambda: Dropout(0.3, noise_shape=(1, None, 9), seed=1)),
    "channels": ((5, 7, 9), (5, 1, 9), lambda: SpatialDropout1D(0.3, seed=1)),
    "channels first": ((5, 9, 2, 3), (5, 9, 1, 1), lambda: SpatialDropout2D(0.3, "channels_first", seed=1)),
}


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy compiles nothing")
@pytest.mark.parametrize("case", COMPILED)
def test_compiled_code_drops_the_units_of_the_next_key_in_both_passes(case, compiled, array, tensor, contract):
    shape, of_mask, make = COMPILED[case]
    layer = make()
    layer.build(shape)
    graph, ones = compiled(layer), tensor(np.ones(shape))
    for call in range(3):
        y, of_x = (array(each) for each in graph(ones, ones))
        assert np.array_equal(y != 0, np.broadcast_to(contract(1, call, of_mask, 0.3), shape))
        np.testing.assert_array_equal(of_x, y)


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy compiles nothing")
@pytest.mark.parametrize("dtype", [*["float64"] * (BACKEND != "jax"), "bfloat16", "float16"])  # JAX has none by default
@pytest.mark.parametrize("compiled", ["inductor"], indirect=True)
def test_compiled_code_drops_in_any_type_and_ties_as_the_contract_says(dtype, compiled, array, tensor, contract):
    # With this seed and size some units tie, see above.
    layer, ones = Dropout(0.2, seed=5, dtype=dtype), tensor(np.ones((512, 512)), dtype)
    layer.build((512, 512))
    y, of_x = (array(keras.ops.cast(each, "float32")) for each in compiled(layer)(ones, ones))
    assert np.array_equal(y != 0, contract(5, 0, (512, 512), 0.2))
    assert np.array_equal(of_x, y)


def several():
    """Layers side by side in one graph, each of a part of (rows, 8, 6, 12), and one of them twice."""
    twice, other, everything = Dropout(0.5, seed=1), Dropout(0.5, seed=2), Dropout(1.0)
    shared, sequences = Dropout(0.5, noise_shape=(None, 1, 12), seed=3), SpatialDropout1D(0.5, seed=4)
    images, volumes = SpatialDropout2D(0.5, seed=5), SpatialDropout3D(0.5, "channels_first", seed=6)
    layers = (twice, other, twice, everything, shared, sequences, images, volumes)
    shapes = (*[(6, 12)] * 6, (2, 3, 12), (12, 1, 2, 3))

    def call(x, training):
        parts = [
            layer(part.reshape(-1, *shape), training=training).reshape(-1, 6, 12)
            for layer, shape, part in zip(layers, shapes, x.unbind(1), strict=True)
        ]
        return torch.stack(parts, dim=1)

    call(torch.ones(4, 8, 6, 12), training=False)  # builds them
    return call


def of_several(contract, rows, step):
    """The masks of those layers in this step."""
    units, channels, shared = (rows, 6, 12), (rows, 1, 12), (rows, 12, 1)
    masks = (
        contract(1, 2 * step, units, 0.5),
        contract(2, step, units, 0.5),
        contract(1, 2 * step + 1, units, 0.5),
        np.zeros(units, bool),
        *(contract(seed, step, channels, 0.5) for seed in (3, 4, 5)),
        np.broadcast_to(contract(6, step, shared, 0.5), (rows, 12, 6)).reshape(units),
    )
    return np.stack([np.broadcast_to(mask, units) for mask in masks], axis=1)


@pytest.mark.skipif(BACKEND != "torch", reason="only torch's compiler moves a state in place")
@pytest.mark.parametrize("compiled", ["inductor"], indirect=True)
def test_layers_side_by_side_in_one_graph_have_masks_of_their_own(compiled, array, tensor, contract):
    graph = compiled(several())
    for step, rows in enumerate((4, 4, 7, 3)):  # with the third size the compiler takes the length for a variable
        ones = tensor(np.ones((rows, 8, 6, 12)))
        y, of_x = (array(each) for each in graph(ones, ones))
        assert np.array_equal(y != 0, of_several(contract, rows, step))
        assert np.array_equal(of_x, y)


@pytest.mark.skipif(BACKEND != "torch", reason="torch's compiler and its settings")
@pytest.mark.parametrize("setting", [{"activation_memory_budget": 0.5}, {"aggressive_recomputation": True}])
@pytest.mark.parametrize("compiled", ["inductor"], indirect=True)
def test_no_key_is_made_again_where_the_compiler_is_to_save_memory(setting, compiled, array, tensor, contract):
    import torch._functorch.config

    layer, ones = Dropout(0.5, seed=3), tensor(np.ones((16, 40)))
    layer.build((16, 40))
    with torch._functorch.config.patch(setting):
        graph = compiled(lambda x, training: layer(x.sin(), training=training).cos())
        y, of_x = (array(each) for each in graph(ones, ones))
    kept = contract(3, 0, (16, 40), 0.5)
    assert np.array_equal(y != 1, kept)
    assert np.array_equal(of_x != 0, kept)


@pytest.mark.skipif(BACKEND != "torch", reason="memory formats are torch's")
@pytest.mark.parametrize("compiled", ["inductor"], indirect=True)
def test_compiled_code_drops_the_same_units_of_any_memory_format(compiled, array, tensor, contract):
    layer, ones = Dropout(0.5, seed=1), torch.ones(4, 3, 5, 6)
    layer.build(ones.shape)
    graph = compiled(layer)
    for call, x in enumerate((ones.to(memory_format=torch.channels_last), torch.ones(3, 4, 6, 5).permute(1, 0, 3, 2))):
        y, of_x = graph(x, ones)
        assert np.array_equal(array(y) != 0, contract(1, call, (4, 3, 5, 6), 0.5))
        assert torch.equal(of_x, y)


@pytest.mark.skipif(BACKEND != "torch", reason="on torch a state is moved in place")
def test_two_forward_passes_before_their_backward_passes_have_each_its_own_mask(contract):
    layer = Dropout(0.5, seed=1)
    layer.build((4, 40))
    torch.compiler.reset()
    for call, graph in enumerate((layer, torch.compile(lambda x, training: layer(x, training=training)))):
        leaves = [torch.ones(4, 40, requires_grad=True) for _ in range(2)]
        outputs = [graph(leaf, training=True) for leaf in leaves]
        for place, (leaf, y) in enumerate(zip(leaves, outputs, strict=True)):
            y.sum().backward()
            assert np.array_equal(y.detach() != 0, contract(1, 2 * call + place, (4, 40), 0.5))
            assert torch.equal(leaf.grad, y.detach())


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has lengths that are unknown until the graph runs")
@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_lengths_may_be_known_at_run_time_only(rate, jit_compile, array, tensor, contract):
    import tensorflow as tf

    layer = Dropout(rate, seed=1)
    signature = [tf.TensorSpec((None, None, 3), tf.float32)]
    graph = tf.function(lambda x: layer(x, training=True), signature, jit_compile=jit_compile, autograph=False)
    for call, shape in enumerate([(5, 50, 3), (2, 1, 3), (300, 4, 3)]):
        y = array(graph(tensor(np.ones(shape))))
        assert np.array_equal(y != 0, contract(1, call, shape, rate))


def test_symbolic_calls_keep_shape_and_dtype():
    x = keras.Input((7, 3), dtype="float32")
    for layer in (Dropout(0.5), Dropout(0.5, noise_shape=(None, 1, 3)), SpatialDropout1D(0.5)):
        for training in (True, False):
            y = layer(x, training=training)
            assert (y.shape, y.dtype) == ((None, 7, 3), "float32")
        assert layer.compute_output_spec(x).shape == (None, 7, 3)


@pytest.mark.parametrize(
    "layer",
    [Dropout(0.3, noise_shape=(None, 1), seed=5, name="d"), *(kind(0.2, seed=1, name="s") for kind in SPATIAL)],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_are_keras_s_and_made_again_from_their_configuration(layer):
    theirs = getattr(keras.layers, type(layer).__name__)
    assert isinstance(layer, theirs)
    assert layer.get_config() == theirs.from_config(layer.get_config()).get_config()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


def test_what_is_refused(refuses, tensor):
    for kind in (Dropout, *SPATIAL):
        with refuses(
            ArgumentError,
            "rate=20 is not a probability: expected 0 <= rate <= 1. To drop 20 % of the units use rate=0.2.",
        ):
            kind(20)
    with refuses(ArgumentTypeError, "rate='0.5' is not a number: expected a real number, got str. Use rate=0.5."):
        Dropout("0.5")
    with pytest.raises(ValueError, match="noise_shape=abc"):
        Dropout(0.5, noise_shape="abc")
    with pytest.raises(ValueError, match="zero value at index 0: 0"):
        Dropout(0.5, noise_shape=(0, 1))
    message = (
        "noise_shape=(3, 2) does not fit inputs of shape (3, 4): expected for each dimension 1, to share a decision along it, "
        "or its length or None, for decisions of their own."
    )
    # Keras puts its own words around what a call raises.
    with pytest.raises(ShapeError, match=re.escape(message)):
        Dropout(0.5, noise_shape=(3, 2))(tensor(np.ones((3, 4))), training=True)
    with pytest.raises(ShapeError, match=r"noise_shape=\(1, 3, 4\) does not fit"):
        Dropout(0.5, noise_shape=(1, 3, 4))(tensor(np.ones((3, 4))), training=True)
    with pytest.raises(ArgumentTypeError, match=r"int32 cannot be dropped from: expected floating point"):
        Dropout(0.5)(tensor(np.ones((3, 4)), "int32"), training=True)
    with pytest.raises(ValueError, match="expected ndim=3"):
        SpatialDropout1D(0.5)(tensor(np.ones((3, 4))), training=True)


@pytest.mark.parametrize("rate", [0.5, 0.3, 1e-4])
@pytest.mark.parametrize(
    ("shape", "noise"),
    [((3, 7), None), ((3, 300), None), ((3, 4, 5, 6), (None, 1, 1, None)), ((3, 4, 5), (None, 1, 1))],
)
def test_masks_of_any_key_site_and_rows_follow_the_contract(shape, noise, rate, array, tensor):
    rows, key = np.array([3, 5 + 7 * 2**32, 2**40 + 1]), 12345 - 2**63
    y = array(_backend.masked(tensor(np.ones(shape)), rate, key, 9, rows, noise))
    of_mask = [size if length is None else length for length, size in zip(noise or shape, shape, strict=True)]
    expected = keep_mask(torch.tensor(key), torch.from_numpy(rows), int(np.prod(of_mask[1:])), [rate], site=9)
    np.testing.assert_array_equal(y != 0, np.broadcast_to(expected.numpy().reshape(of_mask), shape))
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)
