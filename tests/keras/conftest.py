"""What the tests of every backend need: arrays in and out, and gradients by the backend's own means."""

import random
from collections.abc import Callable

import keras
import numpy as np
import pytest
import torch

from dropnorm.random import keep_mask

BACKEND = keras.backend.backend()


def _array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def _tensor(values, dtype="float32"):
    return keras.ops.convert_to_tensor(np.asarray(values), dtype)


def _normal(*shape: int, seed: int = 0, mean: float = 0.0, deviation: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, shape).astype("float32")


def _contract(seed: int, call: int, shape: tuple[int, ...], rate: float) -> np.ndarray:
    """The mask by the contract's own page, computed by torch."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    key = torch.tensor(seed | call << 32, dtype=torch.int64)
    return keep_mask(key, torch.arange(rows), columns, [rate]).numpy().reshape(shape)


def _backpropagated(layer, x: np.ndarray, grad: np.ndarray, **call) -> list[np.ndarray]:
    """The output, and the gradients of the input and of each trainable weight from that of the output."""
    x, grad = _tensor(x), _tensor(grad)
    layer(x, **call | {"training": False})  # is built
    match BACKEND:
        case "torch":
            x.requires_grad_(True)
            y = layer(x, **call)
            of = [x, *(weight.value for weight in layer.trainable_weights)]
            return [_array(each) for each in (y, *torch.autograd.grad(y, of, grad))]
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, **call)
            of = [x, *(weight.value for weight in layer.trainable_weights)]
            return [_array(each) for each in (y, *tape.gradient(y, of, grad))]
        case "jax":
            import jax

            fixed = [weight.value for weight in layer.non_trainable_variables]

            @jax.jit
            def forward(x, trainable):
                return layer.stateless_call(trainable, fixed, x, **call)

            trainable = [weight.value for weight in layer.trainable_variables]
            y, pull, moved = jax.vjp(forward, x, trainable, has_aux=True)
            for weight, value in zip(layer.non_trainable_variables, moved, strict=True):
                weight.assign(value)
            of_x, of_weights = pull(grad)
            return [_array(each) for each in (y, of_x, *of_weights)]


@pytest.fixture(scope="session")
def array() -> Callable[..., np.ndarray]:
    """A tensor's values."""
    return _array


@pytest.fixture(scope="session")
def tensor() -> Callable[..., object]:
    """The backend's tensor of these values."""
    return _tensor


@pytest.fixture(scope="session")
def normal() -> Callable[..., np.ndarray]:
    """Normal values of this shape."""
    return _normal


@pytest.fixture(scope="session")
def contract() -> Callable[..., np.ndarray]:
    """The mask by the contract's own page."""
    return _contract


@pytest.fixture(scope="session")
def backpropagated() -> Callable[..., list[np.ndarray]]:
    """Output and gradients of a layer."""
    return _backpropagated


@pytest.fixture(params=["inductor", "aot_eager"] if BACKEND == "torch" else [BACKEND])
def compiled(request) -> Callable[..., Callable[..., object]]:
    """`layer(x, training=True)` as a compiled function of x that leaves the layer's state moved.

    Given the gradient of its output too, it returns the output and the gradient of x: what a compiler keeps for the backward
    pass, or makes again there, is its own affair, so that every test of a compiled layer must look at both.
    """

    def jitted(layer, **how):
        match BACKEND:
            case "torch":
                torch.compiler.reset()
                graph = torch.compile(lambda x: layer(x, training=True), backend=request.param, fullgraph=True, **how)

                def call(x, grad=None):
                    if grad is None:
                        return graph(x)
                    leaf = x.detach().clone().requires_grad_()
                    y = graph(leaf)
                    return y.detach(), *torch.autograd.grad(y, leaf, grad)

                return call
            case "tensorflow":
                import tensorflow as tf

                graph = tf.function(lambda x: layer(x, training=True), jit_compile=True, autograph=False)

                def call(x, grad=None):
                    with tf.GradientTape() as tape:
                        tape.watch(x)
                        y = graph(x)
                    return y if grad is None else (y, tape.gradient(y, x, grad))

                return call
            case "jax":
                import jax

                @jax.jit
                def pure(x, trainable, fixed):
                    return layer.stateless_call(trainable, fixed, x, training=True)

                def call(x, grad=None):
                    trainable, fixed = (
                        [v.value for v in vs] for vs in (layer.trainable_variables, layer.non_trainable_variables)
                    )
                    y, pull, moved = jax.vjp(lambda x: pure(x, trainable, fixed), x, has_aux=True)
                    for variable, value in zip(layer.non_trainable_variables, moved, strict=True):
                        variable.assign(value)
                    return y if grad is None else (y, *pull(grad))

                return call

    return jitted


@pytest.fixture(autouse=True)
def _fresh():
    """No test sees the names, seeds or policies that another has left."""
    random.seed(0)  # which Keras takes its seeds from
    yield
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session()
