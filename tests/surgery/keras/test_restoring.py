import random

import keras
import numpy as np
import torch
from keras import layers

from dropnorm.surgery.keras.restoring import restored


def state(model):
    generator = keras.src.random.seed_generator.global_seed_generator()
    seeds = [
        generator.state,
        *(layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")),
    ]
    return [np.array(keras.ops.convert_to_numpy(each.value)) for each in (*model.variables, *seeds)]


def test_what_a_run_changes_is_put_back(normal):
    keras.random.normal((1,))  # so that there is a generator that no layer has
    model = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5), layers.GaussianNoise(1.0)]
    )
    model.layers[0].trainable = False
    before, states = (
        state(model),
        (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
    )
    try:
        with restored(model):
            model.layers[0].trainable = True
            model(normal(8, 4), training=True)
            keras.random.normal((1,))
            random.random(), np.random.random(), torch.rand(1)
            assert not all(map(np.array_equal, state(model), before))
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert all(map(np.array_equal, state(model), before))
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
