import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dropnorm.errors import ArgumentTypeError
from dropnorm.surgery.modules.batches import arguments_of, check_batches, cloned, inputs_of


class Two(nn.Module):
    def forward(self, left, right, scale=1.0):
        return scale * (left + right)


X, Y, LABELS = torch.ones(2, 3), torch.zeros(2, 3), torch.tensor([0, 1])


def test_a_batch_is_what_the_model_takes():
    assert arguments_of(X) == ((X,), {})
    assert arguments_of([X, Y]) == ((X, Y), {})
    assert arguments_of({"left": X}) == ((), {"left": X})


def test_labels_behind_what_a_forward_requires_are_left_out():
    assert [value is X for value in inputs_of(nn.Linear(3, 1), (X, LABELS))[0]] == [True]
    assert len(inputs_of(Two(), (X, Y, LABELS))[0]) == 2
    assert set(inputs_of(Two(), {"left": X, "right": Y, "labels": LABELS})[1]) == {"left", "right"}


def test_clones_are_tensors_of_their_own():
    (x, number), named = cloned(((X, 3), {"y": [Y]}))
    assert (number, torch.equal(x, X), torch.equal(named["y"][0], Y)) == (3, True, True)
    assert x.data_ptr() != X.data_ptr()
    assert named["y"][0].data_ptr() != Y.data_ptr()


@pytest.mark.parametrize("batches", [X, {"x": X}, iter([X]), 3])
def test_what_is_no_collection_of_batches(batches):
    with pytest.raises(
        ArgumentTypeError, match="cannot be gone through several times: expected a DataLoader or a list"
    ):
        check_batches(batches, "batches")


def test_lists_and_loaders_are():
    for batches in ([X, Y], (X,), DataLoader(TensorDataset(X, LABELS))):
        assert check_batches(batches, "batches") is batches
