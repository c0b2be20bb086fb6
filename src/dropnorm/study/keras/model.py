"""The models that a factory makes, built and with the random numbers of a key."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.keras.seeding import seeded
from dropnorm.study.modules.architecture import SAMPLE_ROWS, FactoryArchitecture, call_factory
from dropnorm.study.modules.own_traceback import failure

_WEIGHTED = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def make_model(architecture: FactoryArchitecture, key: int) -> keras.Model:
    """The model that the factory makes, built; its random numbers are those of the key, and all generators are as they were.

    Raises:      ArgumentError for a factory that fails, or whose model cannot be built for the data; ArgumentTypeError for one
                 that makes no model.
    """
    refused: list[ArgumentError] = []
    # A model that does not say its input is built as the factory asks for rows, and else for images.
    for shape in dict.fromkeys((architecture.built_shape, architecture.keras_shape)):
        try:
            return _made(architecture, key, shape)
        except ArgumentError as error:
            refused.append(error)
    raise refused[0]


def _made(architecture: FactoryArchitecture, key: int, shape: tuple[int, ...]) -> keras.Model:
    name = architecture.factory
    with seeded(key), warnings.catch_warnings():
        # Told once, when the factory was called to see what it makes.
        warnings.simplefilter("ignore")
        made = call_factory(architecture)
        if not isinstance(made, keras.Model):
            raise ArgumentTypeError(
                f"net={name!r} gives {type(made).__name__}: expected a keras.Model at each call. Return the net from the "
                f"factory."
            )
        if not made.built:
            _build(made, architecture, shape)
    return made


def noise(shape: tuple[int, ...]) -> np.ndarray:
    """A few rows of noise of this shape."""
    return np.random.default_rng(0).standard_normal((SAMPLE_ROWS, *shape)).astype(np.float32)


def weighted_layers(model: keras.Model) -> list[Any]:
    """Dense and Conv layers in the order in which the model has them; the last is the one that its outputs come from."""
    return [layer for layer in _flat(model) if isinstance(layer, _WEIGHTED)]


def _flat(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield from _flat(layer) if hasattr(layer, "layers") else (getattr(layer, "layer", layer),)


def _build(model: keras.Model, architecture: FactoryArchitecture, shape: tuple[int, ...]) -> None:
    """Make the weights of a model that was not told the shape of its input, for rows of this shape."""
    try:
        if isinstance(model, keras.Sequential):
            model.build((None, *shape))
        else:
            model(noise(shape))
    except Exception as error:
        raise failure(
            f"net={architecture.factory!r} makes a net that cannot be built for rows of shape {shape}",
            error,
            type(model).call,
            "Expected one that takes them. Give its first layer the shape that it takes, or mend it:",
        ) from error
    if not model.built:
        raise ArgumentError(
            f"net={architecture.factory!r} makes a net whose weights are not there after a call: expected layers that are "
            f"built when they are called. Give the class a build(), or make all its layers in __init__."
        )
