"""A Keras model that is run and afterwards is as it was: moving statistics, seed generators, random states."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.global_state import get_global_attribute  # where the generator without a layer is kept

from dropnorm.surgery.modules.restoring import random_states


@contextmanager
def restored(model: Any) -> Iterator[None]:
    """What runs change is afterwards what it was, whatever happens inside: all but what an optimizer trains."""
    changed = [*model.non_trainable_variables, *_seeds(model)]
    values = [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in changed]
    with random_states():
        try:
            yield
        finally:
            for variable, value in zip(changed, values, strict=True):
                variable.assign(value)


def _seeds(model: Any) -> Iterator[Any]:
    """The states of the seed generators, which are among the variables of layers or of none."""
    shared = get_global_attribute("global_seed_generator")
    generators = [] if shared is None else [shared]
    for layer in model._flatten_layers():
        generators += [value for value in vars(layer).values() if isinstance(value, keras.random.SeedGenerator)]
    for generator in generators:
        yield generator.state
