import random

import keras
import numpy as np
import torch

from dropnorm.study.keras.seeding import seed_layers, seed_states, seeded

ONES = np.ones((1, 64), "float32")


def drawn() -> list:
    """From every generator that a factory may use."""
    return [
        random.random(),
        np.random.rand(),
        float(torch.rand(())),
        float(keras.random.uniform(())),
        keras.layers.Dense(3).kernel_initializer((2, 3)).tolist()
        if keras.backend.backend() == "torch"
        else np.asarray(keras.layers.Dense(3).kernel_initializer((2, 3))).tolist(),
    ]


def test_the_same_key_draws_the_same_and_another_key_does_not():
    with seeded(1):
        first = drawn()
    with seeded(1):
        assert drawn() == first
    with seeded(2):
        assert not any(one == other for one, other in zip(drawn(), first, strict=True))


def test_generators_go_on_where_they_were_even_after_an_error():
    with seeded(5):
        expected = drawn()
    with seeded(5):
        try:
            with seeded(1):
                drawn()
                raise KeyError
        except KeyError:
            pass
        assert drawn() == expected


def test_masks_are_those_of_the_key_and_of_the_place_in_the_model():
    # Without a seed of its own, Keras drops by torch's generator on torch.
    drops = [keras.layers.Dropout(0.5, seed=place) for place in range(2)]
    model = keras.Sequential([keras.Input((64,)), *drops])
    states = seed_states(model)
    assert len(states) == 2

    def mask(key: int) -> np.ndarray:
        seed_layers(states, torch.tensor(key))
        return np.concatenate(
            [np.asarray(keras.ops.convert_to_numpy(layer(ONES, training=True))) for layer in model.layers]
        )

    first = mask(1)
    assert np.array_equal(mask(1), first)
    assert not np.array_equal(mask(2), first)
    assert not np.array_equal(first[0], first[1])
