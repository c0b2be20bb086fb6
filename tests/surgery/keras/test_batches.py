import keras
import numpy as np
import pytest
import torch

from dropnorm.errors import ArgumentTypeError
from dropnorm.surgery.keras.batches import batches_of, inputs_of


class Numbered(keras.utils.PyDataset):
    """Three batches."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return np.full((2, 4), number), np.zeros(2)


def test_batches_that_can_be_gone_through_twice():
    x, y = np.arange(80).reshape(40, 2), np.zeros(40)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for loader, lengths in (
        (x, [32, 8]),
        ((x, y), [32, 8]),
        (torch.from_numpy(x), [32, 8]),
        (Numbered(), [2, 2, 2]),
        ([(x, y), (x, y)], [40, 40]),
        (torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*map(torch.from_numpy, (x, y))), 30), [30, 10]),
    ):
        batches = batches_of(loader)
        for _ in range(2):
            assert [len(inputs_of(model, batch)) for batch in batches] == lengths
    assert np.array_equal(np.concatenate([inputs_of(model, each) for each in batches_of((x, y))]), x)


def test_arrays_of_several_inputs():
    x = {"left": np.arange(40), "right": np.arange(40) + 1}
    parts = [inputs_of(None, each) for each in batches_of((x, np.zeros(40)))]
    assert [len(part["left"]) for part in parts] == [32, 8]
    assert np.array_equal(np.concatenate([part["right"] for part in parts]), x["right"])


@pytest.mark.parametrize("loader", [iter([]), {"x": [1]}, 3])
def test_what_is_no_loader(loader):
    with pytest.raises(
        ArgumentTypeError, match="cannot be gone through several times: expected a DataLoader or a list"
    ):
        batches_of(loader)


def test_inputs_of_a_batch():
    one = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    left, right = keras.Input((2,)), keras.Input((2,))
    two = keras.Model([left, right], left + right)
    a, b, y = np.zeros(2), np.ones(2), np.full(2, 2)
    assert inputs_of(one, a) is a
    for batch in ((a, y), [a, y], (a,)):
        assert inputs_of(one, batch) is a
        assert inputs_of(None, batch) is a
    assert inputs_of(two, ([a, b], y)) == [a, b]
    for batch in ((a, b), [a, b], [a, b, y]):
        assert inputs_of(two, batch) == [a, b]
    assert inputs_of(two, ({"left": a}, y)) == {"left": a}
