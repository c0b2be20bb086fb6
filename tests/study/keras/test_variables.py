import keras
import numpy as np
import pytest
import torch

from dropnorm.study.keras.variables import assign, tensors_of


def model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])


def test_values_go_from_one_model_to_another_whatever_their_names():
    one, other = model(), model()
    tensors = tensors_of(one.weights)
    assert list(tensors) == ["0.kernel", "1.bias", "2.gamma", "3.beta", "4.moving_mean", "5.moving_variance"]
    assign(other.weights, tensors)
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_tensors_are_copies():
    one = model()
    before = tensors_of(one.weights)
    kept = before["0.kernel"].clone()
    one.weights[0].assign(np.zeros((3, 2)))
    assert torch.equal(before["0.kernel"], kept)


def test_tensors_of_others_are_refused():
    tensors = tensors_of(model().weights)
    for wrong in (tensors | {"0.kernel": torch.zeros(2, 2)}, {"0.kernel": tensors["0.kernel"]}):
        with pytest.raises(RuntimeError, match="the tensors are those of other variables"):
            assign(model().weights, wrong)
