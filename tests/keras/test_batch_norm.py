import inspect

import keras
import numpy as np
import pytest

from dropnorm.errors import ArgumentError, ShapeError
from dropnorm.keras import BatchNormalization

BACKEND = keras.backend.backend()
differentiable = pytest.mark.skipif(BACKEND == "numpy", reason="NumPy has no gradients")

# The input's shape, the arguments, and what is given with the call.
CASES = {
    "features": ((32, 5), {}, {}),
    "one feature": ((7, 1), {}, {}),
    "sequences": ((6, 9, 4), {}, {}),
    "axis 1 of 3": ((6, 4, 9), {"axis": 1}, {}),
    "images": ((3, 4, 5, 6), {}, {}),
    "channels first": ((3, 6, 4, 5), {"axis": 1}, {}),
    "axis 2 of 4": ((3, 4, 6, 5), {"axis": 2}, {}),
    "axis 0": ((6, 8), {"axis": 0}, {}),
    "volumes": ((2, 3, 2, 3, 4), {"axis": -1}, {}),
    "no scale": ((32, 5), {"scale": False, "momentum": 0.5}, {}),
    "no center": ((32, 5), {"center": False, "epsilon": 0.1}, {}),
    "neither": ((32, 5), {"center": False, "scale": False}, {}),
    "mask": ((6, 9, 4), {}, {"mask": np.arange(9) < np.array([9, 1, 5, 3, 7, 2])[:, None]}),
    "mask of samples": ((6, 4), {}, {"mask": np.array([1, 0, 1, 1, 0, 1], bool)}),
    "mask, axis 1": ((6, 4, 9), {"axis": 1}, {"mask": np.arange(24).reshape(6, 4) % 3 > 0}),
    "renorm": ((32, 5), {"renorm": True}, {}),
    "renorm, clipped": ((32, 5), {"renorm": True, "renorm_clipping": {"rmax": 1.1, "rmin": 0.9, "dmax": 0.1}}, {}),
    "renorm, axis 1": ((6, 4, 9), {"renorm": True, "axis": 1, "renorm_momentum": 0.9, "scale": False}, {}),
    "renorm, mask": ((6, 9, 4), {"renorm": True}, {"mask": np.arange(9) < np.arange(3, 9)[:, None]}),
}


def made(case):
    """Shape and call of a case, and a pair of layers, Keras's and ours, with the same weights."""
    shape, arguments, call = CASES[case]
    pair = keras.layers.BatchNormalization(**arguments), BatchNormalization(**arguments)
    for layer in pair:
        layer.build(shape)
    random = np.random.default_rng(5)
    weights = [random.uniform(0.5, 1.5, weight.shape).astype("float32") for weight in pair[0].weights]
    for layer in pair:
        layer.set_weights(weights)
    return shape, {name: keras.ops.convert_to_tensor(value) for name, value in call.items()}, pair


def close(ours, theirs, tolerance=2e-5):
    # Sums in another order, and Keras on torch takes the variance as a difference of squares.
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_moving_statistics_are_keras_s(case, tensor, normal, array):
    shape, call, (theirs, ours) = made(case)
    steps = 100 if case in ("features", "mask", "renorm, clipped") else 2
    for step in range(1, steps + 1):
        x = tensor(normal(*shape, seed=step, mean=0.3, deviation=1.5))
        outputs = [array(layer(x, training=True, **call)) for layer in (ours, theirs)]
        if step in (1, 2, 100):
            close(*([y] for y in outputs))
            close(ours.get_weights(), theirs.get_weights())
    close(*([array(layer(x, training=False))] for layer in (ours, theirs)))


@differentiable
@pytest.mark.parametrize(
    "case", ["features", "axis 1 of 3", "images", "neither", "mask, axis 1", "mask", "renorm, clipped"]
)
def test_gradients_are_keras_s(case, normal, backpropagated):
    shape, call, (theirs, ours) = made(case)
    x, grad = normal(*shape, mean=0.3, deviation=1.5), normal(*shape, seed=1)
    close(*(backpropagated(layer, x, grad, training=True, **call) for layer in (ours, theirs)), 1e-4)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only on TensorFlow the gradient is written out")
@pytest.mark.parametrize("case", ["features", "axis 1 of 3", "no scale", "no center"])
@pytest.mark.parametrize("in_graph", [False, True])
def test_the_gradient_has_a_gradient(case, in_graph, normal, tensor):
    # Keras's own is not compared: there the gradient of the variance takes the mean for a constant.
    import tensorflow as tf

    shape, arguments, _ = CASES[case]
    layer = BatchNormalization(**arguments, dtype="float64")
    layer.build(shape)
    x, grad, direction, step = (tensor(normal(*shape, seed=seed), "float64") for seed in range(4))

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        of_x, *of_weights = tape.gradient(y, [x, *(weight.value for weight in layer.trainable_weights)], grad)
        return tf.reduce_sum(of_x * direction) + sum(tf.reduce_sum(each) for each in of_weights)

    def second(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = slope(x)
        return tf.reduce_sum(tape.gradient(total, x) * step)

    found = (tf.function(second) if in_graph else second)(x)
    by_difference = (slope(x + 1e-5 * step) - slope(x - 1e-5 * step)) / 2e-5
    np.testing.assert_allclose(found, by_difference, rtol=1e-6)


@differentiable
@pytest.mark.parametrize("training", [True, False])
def test_a_frozen_layer_is_in_inference(training, normal, backpropagated):
    pair = keras.layers.BatchNormalization(), BatchNormalization()
    x, grad = normal(8, 3, mean=2), normal(8, 3, seed=1)
    found = []
    for layer in pair:
        layer.build((8, 3))
        layer.set_weights([np.full(3, value, "float32") for value in (2, 1, 0.5, 4)])
        layer.trainable = False
        found.append([*backpropagated(layer, x, grad, training=training), *layer.get_weights()])
    close(found[1], found[0])
    close([found[1][0]], [(x - 0.5) / np.sqrt(4 + 1e-3) * 2 + 1])


@pytest.mark.parametrize("axis", [-1, 1])
def test_a_large_mean_does_not_swallow_the_deviation(axis, array, tensor):
    x = np.random.default_rng(0).normal(1e4, 1, (4096, 3)).astype("float32")
    layer = BatchNormalization(axis=axis, momentum=0.0)
    y = array(layer(tensor(x), training=True))
    exact = x.astype("float64")
    expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-3)
    np.testing.assert_allclose(array(layer.moving_variance), exact.var(0), rtol=1e-5)
    np.testing.assert_allclose(y, expected, atol=1e-3)  # a float32 at 1e4 has steps of 1e-3
    np.testing.assert_allclose(array(layer(tensor(x), training=False)), expected, atol=3e-3)
    masked = BatchNormalization(momentum=0.0)
    masked(tensor(x), training=True, mask=tensor(np.arange(4096) < 2048, "bool"))
    np.testing.assert_allclose(array(masked.moving_variance), exact[:2048].var(0), rtol=1e-5)


def bad_batches():
    poisoned = np.ones((4, 3, 2), "float32")
    poisoned[1, 2, 0] = np.nan
    infinite = np.where(np.isnan(poisoned), np.inf, poisoned)
    yield "NaN", poisoned, None
    yield "infinity", infinite, None
    yield "padding", np.ones((4, 3, 2), "float32"), np.zeros((4, 3), bool)


@pytest.mark.parametrize("renorm", [False, True])
@pytest.mark.parametrize(("what", "x", "mask"), list(bad_batches()))
def test_a_bad_batch_leaves_the_moving_statistics_alone(what, x, mask, renorm, tensor, normal):
    layer = BatchNormalization(renorm=renorm)
    layer(tensor(normal(4, 3, 2)), training=True)
    before = layer.get_weights()
    mask = None if mask is None else tensor(mask, "bool")
    layer(tensor(x), training=True, mask=mask)
    # The variance that renorm keeps is made from a deviation each time, and rounded.
    close(layer.get_weights(), before, 1e-6)
    layer(tensor(normal(4, 3, 2, seed=1)), training=True)
    assert np.abs(layer.get_weights()[2] - before[2]).max() > 1e-4


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of what overflows
def test_no_batch_makes_the_moving_statistics_infinite(tensor):
    # Of a batch the variance alone is looked at, which is not finite where the mean is not, whatever of the two overflows.
    random = np.random.default_rng(0)
    layer = BatchNormalization(momentum=0.0)
    layer.build((None, 4))
    moved = 0
    for _ in range(60):
        x = random.normal(size=(5, 4)).astype("float32") * np.float32(10.0) ** random.integers(-20, 38)
        for value in (np.inf, -np.inf, np.nan, 3.4e38, -3.4e38):
            if random.random() < 0.1:
                x[random.integers(5), random.integers(4)] = value
        before = layer.get_weights()
        layer(tensor(x), training=True, mask=tensor(random.random(5) < 0.8, "bool") if random.random() < 0.5 else None)
        assert all(np.isfinite(weight).all() for weight in layer.get_weights())
        moved += not np.array_equal(before, layer.get_weights())
    assert 10 < moved < 50


@pytest.mark.parametrize(("what", "x", "mask"), list(bad_batches()))
def test_a_bad_batch_moves_them_if_it_is_asked_to_as_in_keras(what, x, mask, tensor):
    pair = keras.layers.BatchNormalization(), BatchNormalization(nonfinite="propagate")
    mask = None if mask is None else tensor(mask, "bool")
    for layer in pair:
        layer(tensor(x), training=True, mask=mask)
    theirs, ours = (layer.get_weights() for layer in pair)
    assert not np.array_equal(ours[2], np.zeros(2)) or not np.array_equal(ours[3], np.ones(2))
    finite = np.isfinite(ours)
    np.testing.assert_array_equal(finite, np.isfinite(theirs))
    np.testing.assert_allclose(np.array(ours)[finite], np.array(theirs)[finite], rtol=1e-6)


def test_nan_in_padding_is_not_seen(tensor, normal):
    x = normal(4, 3, 2)
    mask = np.ones((4, 3), bool)
    mask[:, 2] = False
    layers = []
    for padding in (0.0, np.nan):
        x[:, 2] = padding
        layers.append(BatchNormalization())
        layers[-1](tensor(x), training=True, mask=tensor(mask, "bool"))
    close(layers[0].get_weights(), layers[1].get_weights(), 0)


def test_a_keras_mask_is_found_by_itself(tensor, array):
    tokens = np.array([[1, 2, 0], [3, 0, 0]])
    embed = keras.layers.Embedding(4, 2, mask_zero=True)
    layers = keras.layers.BatchNormalization(), BatchNormalization()
    for layer in layers:
        layer(embed(tensor(tokens, "int32")), training=True)
    close(*(layer.get_weights() for layer in layers))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions(dtype, tensor, array, normal):
    if dtype == "float64" and BACKEND == "jax":
        pytest.skip("JAX has no float64 unless asked to")
    x = tensor(normal(64, 5, mean=3), dtype)
    policy = "float64" if dtype == "float64" else f"mixed_{dtype}"
    ours, theirs = BatchNormalization(dtype=policy), keras.layers.BatchNormalization(dtype=policy)
    outputs = [layer(x, training=True) for layer in (ours, theirs)]
    assert {keras.backend.standardize_dtype(y.dtype) for y in outputs} == {dtype}
    # One rounding of values up to 4; float32's in the statistics.
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2, "float64": 1e-6}[dtype]
    close(*([array(keras.ops.cast(y, "float32"))] for y in outputs), tolerance)
    close(ours.get_weights(), theirs.get_weights(), 1e-5)


@differentiable
@pytest.mark.parametrize("renorm", [False, True])
def test_compiled_code_does_as_eager_code_in_both_passes(renorm, compiled, tensor, normal, array, backpropagated):
    eager, graph = BatchNormalization(renorm=renorm), BatchNormalization(renorm=renorm)
    for layer in (eager, graph):
        layer.build((16, 3))
    run = compiled(graph)
    for seed in range(3):
        x, grad = normal(16, 3, seed=seed, mean=1, deviation=3), normal(16, 3, seed=seed + 3)
        y, of_x, *_ = backpropagated(eager, x, grad, training=True)
        close([array(each) for each in run(tensor(x), tensor(grad))], [y, of_x])
    close(graph.get_weights(), eager.get_weights())


@pytest.mark.skipif(BACKEND != "torch", reason="only torch's compiler moves statistics in place")
@pytest.mark.parametrize("compiled", ["inductor"], indirect=True)
def test_compiled_a_call_in_inference_has_the_statistics_from_before_one_in_training(compiled, tensor, normal):
    layer, before = BatchNormalization(momentum=0.5), BatchNormalization(momentum=0.5)
    for each in (layer, before):
        each.build((16, 3))
    run = compiled(lambda x, training: layer(x, training=False) + layer(x.detach() * 3, training=training).mean())
    for step in range(3):
        x, grad = tensor(normal(16, 3, seed=step)), tensor(normal(16, 3, seed=9))
        before.set_weights(layer.get_weights())
        _, of_x = run(x, grad)
        leaf = x.clone().requires_grad_()
        before(leaf, training=False).backward(grad)
        close([of_x], [leaf.grad])


def test_symbolic_calls_keep_shape_and_dtype():
    x = keras.Input((7, 3), dtype="float32")
    for training in (True, False):
        for layer in (BatchNormalization(), BatchNormalization(axis=1), BatchNormalization(renorm=True)):
            y = layer(x, training=training)
            assert (y.shape, y.dtype) == ((None, 7, 3), "float32")
    assert BatchNormalization().compute_output_spec(x).shape == (None, 7, 3)


def test_arguments_weights_and_configuration_are_keras_s():
    ours, theirs = (
        kind(axis=1, momentum=0.8, renorm=True, beta_regularizer="l2", gamma_constraint="max_norm", name="norm")
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    )
    assert isinstance(ours, keras.layers.BatchNormalization)
    assert ours.get_config() == theirs.get_config()
    for layer in (ours, theirs):
        layer.build((None, 4, 5))
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    parameters = list(inspect.signature(BatchNormalization).parameters.values())
    expected = list(inspect.signature(keras.layers.BatchNormalization).parameters.values())
    described = [[(p.name, p.default, p.kind) for p in each] for each in (parameters, expected)]
    assert [one for one in described[0] if one[0] != "nonfinite"] == described[1]


def test_it_is_made_again_from_its_configuration():
    for layer in (BatchNormalization(momentum=0.5), BatchNormalization(nonfinite="propagate")):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert type(again) is BatchNormalization
        assert again.get_config() == layer.get_config()
        assert again.nonfinite == layer.nonfinite


def test_what_is_refused(refuses, tensor):
    with refuses(
        ArgumentError, "nonfinite='skp' is unknown: expected one of 'skip', 'propagate'. Did you mean 'skip'?"
    ):
        BatchNormalization(nonfinite="skp")
    message = (
        "axis=3 is out of bounds for an input of shape (2, 3): expected the dimension of the features, from -2 to 1."
    )
    with refuses(ArgumentError, message):
        BatchNormalization(axis=3).build((2, 3))
    with pytest.raises(ArgumentError, match="axis=-3 is out of bounds"):
        BatchNormalization(axis=-3)(tensor(np.ones((2, 3))))
    with pytest.raises(
        ShapeError, match=r"mask.shape=\(2, 3\) does not fit inputs of shape \(2, 3\): expected \(2,\), True"
    ):
        BatchNormalization()(tensor(np.ones((2, 3))), mask=tensor(np.ones((2, 3)), "bool"))
    with pytest.raises(ValueError, match="renorm_clipping"):
        BatchNormalization(renorm=True, renorm_clipping={"rmxa": 1})
    if BACKEND != "tensorflow":
        with pytest.raises(ValueError, match="synchronized=True"):
            BatchNormalization(synchronized=True)
