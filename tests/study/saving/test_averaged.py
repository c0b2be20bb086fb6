"""A model as one module: what it takes, what it gives, and what torch can do with it."""

import numpy as np
import torch

from dropnorm.study.saving.averaged import AveragedNets
from dropnorm.study.saving.description import Member

MEMBERS = (
    Member(mean=(1.0,), scale=(2.0,), target_mean=10.0, target_scale=3.0),
    Member(mean=(0.0,), scale=(float("inf"),), target_mean=20.0, target_scale=1.0),
)


def linear(*weights) -> torch.nn.Linear:
    layer = torch.nn.Linear(1, len(weights), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights)[:, None])
    return layer


def test_the_mean_of_quantities_is_in_their_own_unit():
    module = AveragedNets([linear(1.0), linear(1.0)], MEMBERS, "regression")
    # Of the second net nothing is learned of the feature, so that it always says 20.
    given = module(torch.tensor([[3.0], [float("nan")], [1e300]], dtype=torch.float64))
    assert given.dtype == torch.float64
    assert given.tolist() == [(13.0 + 20.0) / 2, (10.0 + 20.0) / 2, (10.0 + 3e6 + 20.0) / 2]


def test_the_mean_of_classes_is_that_of_their_probabilities():
    module = AveragedNets([linear(1.0, -1.0), linear(1.0, -1.0)], MEMBERS, "classification")
    given = module(torch.tensor([[3.0]]))
    first = 1.0 / (1.0 + np.exp(-2.0))
    np.testing.assert_allclose(given.detach().numpy(), [[(first + 0.5) / 2, (1.5 - first) / 2]], rtol=1e-6)


def test_it_is_saved_and_moved_as_any_module(tmp_path):
    module = AveragedNets([linear(1.0), linear(2.0)], MEMBERS, "regression")
    other = AveragedNets([linear(0.0), linear(0.0)], MEMBERS, "regression")
    other.load_state_dict(module.state_dict())
    x = torch.tensor([[3.0]])
    assert torch.equal(other(x), module(x))
    exported = torch.export.export(module.eval(), (x,)).module()
    assert torch.equal(exported(x), module(x))
