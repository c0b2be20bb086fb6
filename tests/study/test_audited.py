import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from dropnorm.errors import ArgumentError
from dropnorm.study.audited import BATCH_ROWS, ROWS, batches_of, model_for
from dropnorm.study.data.dataset import load_dataset


@pytest.fixture
def nets(monkeypatch):
    module = types.ModuleType("nets_for_audits")
    module.fitted = lambda features, outputs: nn.Linear(features, outputs)
    module.plain = lambda: nn.Linear(2, 2)
    module.of_images = lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def test_a_model_is_told_of_the_data(nets):
    made = model_for(f"{nets}:fitted", load_dataset("iris"))
    assert made.weight.shape == (3, 4)
    assert model_for(f"{nets}:plain", None).weight.shape == (2, 2)
    with pytest.raises(ArgumentError, match="asks for 'features', which data tell: expected --data"):
        model_for(f"{nets}:fitted", None)


def test_batches_are_standardized_rows_of_all_and_whole():
    batches = batches_of(load_dataset("iris"))
    assert [len(batch) for batch in batches] == [BATCH_ROWS] * 2
    x = torch.cat(batches)
    assert float(x.mean(0).abs().max()) < 0.2
    assert float((x.std(0) - 1).abs().max()) < 0.2


def test_images_are_images_and_many_rows_a_sample():
    batches = batches_of(load_dataset("digits"))
    assert {batch.shape[1:] for batch in batches} == {(1, 8, 8)}
    assert sum(map(len, batches)) == ROWS
    few = batches_of(load_dataset(np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2))
    assert [batch.shape for batch in few] == [(20, 3)]


def test_a_module_gets_rows_or_images_as_it_takes_them_and_stays_as_it_was(nets):
    digits = load_dataset("digits")
    for name, shape in (("fitted", (64,)), ("of_images", (1, 8, 8))):
        model = model_for(f"{nets}:{name}", digits)
        assert {batch.shape[1:] for batch in batches_of(digits, model, f"{nets}:{name}")} == {shape}
        assert model.training


def test_a_keras_model_of_flat_rows_gets_images_as_rows():
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)])
    digits = load_dataset("digits")
    assert {batch.shape[1:] for batch in batches_of(digits, model)} == {(64,)}
    with pytest.raises(ArgumentError, match=r"model='nets:wide' takes an input of shape \(65,\)"):
        batches_of(digits, keras.Sequential([keras.Input((65,)), keras.layers.Dense(10)]), "nets:wide")
