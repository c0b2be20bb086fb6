import contextlib
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from dropnorm import nn as own
from dropnorm.surgery.modules.restoring import kept_generators, restored


def test_everything_is_as_it_was_also_after_an_error():
    model = nn.Sequential(nn.BatchNorm1d(3), own.Dropout(0.5, generator=torch.Generator().manual_seed(1)))
    model[0].eval()
    mean, state, drawn = model[0].running_mean, torch.get_rng_state(), model[1].generator.get_state()
    others = random.getstate(), np.random.get_state()[1].tolist()

    def meddle():
        model.train()(torch.randn(5, 3))
        torch.randn(9), random.random(), np.random.random()
        warnings.warn("is kept quiet", stacklevel=1)
        model[0].running_mean = torch.ones(3)
        raise ValueError("meant")

    with pytest.raises(ValueError, match="meant"), restored(model):
        meddle()
    assert (model.training, model[0].training, model[1].training) == (True, False, True)
    assert model[0].running_mean is mean
    assert torch.equal(mean, torch.zeros(3))
    assert int(model[0].num_batches_tracked) == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == others
    assert torch.equal(model[1].generator.get_state(), drawn)


def test_what_was_no_buffer_is_none_again():
    class Caching(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("cache", None)

        def forward(self, x):
            self.cache = x.mean(0)

    model = Caching()
    with restored(model):
        model(torch.randn(5, 3))
    assert model.cache is None
    assert not model.state_dict()


def test_a_buffer_that_nobody_can_write_to_is_left():
    model = nn.Module()
    model.register_buffer("scale", torch.ones(1).expand(8))
    with restored(model):
        pass
    assert model.scale.stride() == (0,)


def test_pythons_and_numpys_generators_go_on_where_they_were():
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.rand()
    random.seed(3)
    np.random.seed(3)
    with contextlib.suppress(KeyError), kept_generators():
        random.random()
        np.random.rand()
        raise KeyError
    assert (random.random(), np.random.rand()) == expected
