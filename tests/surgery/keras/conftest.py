"""Keras models to be read and rewritten, with weights and statistics as after some training."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _names_from_the_start():
    """Keras numbers the layers of a process; the names in a test shall not depend on those before it."""
    keras.utils.clear_session(free_memory=False)  # to collect garbage takes longer than a test


def _randomized(model, seed: int = 0):
    """The model, with random weights, and positive variances."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" not in variable.path:
            is_scale = variable.path.endswith(("variance", "gamma"))
            low, high = (0.5, 1.5) if is_scale else (-0.5, 0.5)
            if len(variable.shape) > 1:  # so that signals keep their size in deep nets
                high = (6 / np.prod(variable.shape[:-1])) ** 0.5
                low = -high
            variable.assign(random.uniform(low, high, variable.shape))
    return model


def _outputs(model, x) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(model(x, training=False))]


def _agree(one, other, x, tolerance: float = 1e-4) -> None:
    for before, after in zip(_outputs(one, x), _outputs(other, x), strict=True):
        np.testing.assert_allclose(after, before, rtol=tolerance, atol=tolerance * np.abs(before).max())


def _normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def _names(model) -> list[str]:
    return [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


@pytest.fixture(scope="session")
def randomized() -> Callable[..., Any]:
    """A model with random weights."""
    return _randomized


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """See that two models compute the same in inference mode."""
    return _agree


@pytest.fixture(scope="session")
def normal() -> Callable[..., np.ndarray]:
    """Normal values of this shape."""
    return _normal


@pytest.fixture(scope="session")
def names() -> Callable[..., list[str]]:
    """The names of a model's layers without its inputs."""
    return _names


@pytest.fixture
def nested() -> Any:
    """A functional model around a functional one that is called twice, and a Sequential: two inputs, two outputs."""
    inner_x = keras.Input((8, 8, 3), name="inner_x")
    conv = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inner_x)
    block = keras.Model(inner_x, keras.layers.BatchNormalization(name="norm")(conv), name="block")
    head = keras.Sequential(
        [keras.layers.Flatten(name="flat"), keras.layers.Dense(5, activation="relu", name="hidden")], name="head"
    )
    inputs = {name: keras.Input((8, 8, 3), name=name) for name in ("left", "right")}
    left, right = (block(inputs[name]) for name in ("left", "right"))
    both = keras.layers.Add(name="add")([left, right * 2.0])
    hidden = keras.layers.Dropout(0.3, name="drop")(head(both))
    out = {"a": keras.layers.Dense(3, activation="softmax", name="a")(hidden)}
    out["b"] = keras.layers.Dense(1, name="b")(keras.ops.tanh(hidden))
    return keras.Model(inputs, out, name="whole")


@pytest.fixture(autouse=True)
def _fresh():
    """No test sees the seeds or policies that another has left."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
