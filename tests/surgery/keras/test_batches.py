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
    for loader, lengths in (
        (x, [32, 8]),
        ((x, y), [32, 8]),
        (torch.from_numpy(x), [32, 8]),
        (Numbered(), [2, 2, 2]),
        ([(x, y), (x, y)], [40, 40]),
        (torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.from_numpy(x)), 30), [30, 10]),
    ):
        batches = batches_of(loader)
        for _ in range(2):
            assert [len(batch[0] if isinstance(batch, list) else inputs_of(batch)) for batch in batches] == lengths
    assert np.array_equal(np.concatenate(list(batches_of((x, y)))), x)


@pytest.mark.parametrize("loader", [iter([]), {"x": [1]}, 3])
def test_what_is_no_loader(loader):
    with pytest.raises(
        ArgumentTypeError, match="cannot be gone through several times: expected a DataLoader or a list"
    ):
        batches_of(loader)


def test_inputs_of_a_batch():
    assert inputs_of((1, 2, 3)) == 1
    assert inputs_of([1, 2]) == [1, 2]
    assert inputs_of({"x": 1}) == {"x": 1}
