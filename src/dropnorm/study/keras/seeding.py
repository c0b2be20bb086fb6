"""The random numbers of Keras: of what draws while a model is made or trained, and of its layers."""

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import torch
from keras.src.random.seed_generator import global_seed_generator  # which no public name leads to

from dropnorm.random import derive_key
from dropnorm.study.modules.tensors import seeded as seeded_torch
from dropnorm.study.modules.tensors import start_generators
from dropnorm.surgery.modules.restoring import kept_generators

STATE = "seed_generator_state"
_BITS = 2**31 - 1  # of what each backend's seeds hold, with their sign


@contextlib.contextmanager
def seeded(key: int) -> Iterator[None]:
    """Python's, NumPy's, torch's and Keras's own generators start from the key, and go on afterwards where they were.

    Keras takes the seeds of new layers and initializers from Python's.
    """
    with kept_generators():
        shared = global_seed_generator().state  # made here if there was none
        before = keras.ops.convert_to_numpy(shared).copy()
        try:
            with seeded_torch(key, _device(shared)):
                random.seed(key)
                np.random.seed(key & 0xFFFFFFFF)
                shared.assign(np.array([key & _BITS, 0], before.dtype))
                yield
        finally:
            shared.assign(before)


def restarted(key: int) -> Any:
    """A callback that starts torch's generators from the key when an epoch begins.

    On torch Keras drops by these where a dropout has no seed of its own, and the first `fit` of a model draws from them before.
    """
    device = _device(global_seed_generator().state)
    return keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: start_generators(key, device))


def _device(variable: Any) -> str:
    """Where torch computes for Keras, if it does."""
    return str(variable.value.device) if keras.backend.backend() == "torch" else "cpu"


def seed_states(model: keras.Model) -> list[Any]:
    """The state of each generator of the model's layers, in the order in which the model has them."""
    return [variable for variable in model.non_trainable_variables if variable.name == STATE]


def seed_layers(states: Sequence[Any], key: torch.Tensor) -> None:
    """Start each layer's generator anew, from the key and its place in the model."""
    for place, own in enumerate(derive_key(key, torch.arange(len(states))).tolist()):
        states[place].assign(np.array([own & _BITS, 0], keras.backend.standardize_dtype(states[place].dtype)))
