import re

import pytest
import torch
from torch import nn

import dropnorm as dn
from dropnorm.errors import SurgeryError
from dropnorm.surgery.edits import SetRate
from dropnorm.surgery.modules.check import agree, check
from dropnorm.surgery.modules.reading import read


class Nosy(nn.Module):
    """Looks at an attribute of a layer that is no parameter, which no graph shows."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.b(torch.relu(self.a(x))) / self.b.in_features


def test_a_forward_that_fails_afterwards(refuses):
    with refuses(
        SurgeryError,
        "model=Nosy cannot be changed safely: afterwards the forward of 'the model' fails: 'Sequential' object has no "
        "attribute 'in_features'. Expected a forward that only calls its layers, and does not look at their attributes. Name "
        "places to leave out by where=, or put the layers in by hand.",
    ):
        dn.regularize(Nosy())


EDITS = (SetRate("0", 0.5),)


def test_other_outputs_in_inference(models, refuses):
    reading, sample = read(models.mlp()), torch.randn(3, 6)
    with refuses(
        SurgeryError,
        "model=Sequential cannot be changed safely: afterwards its outputs for the sample in inference mode are others. "
        "Expected a forward that only calls its layers, and does not look at their attributes. Name places to leave out by "
        "where=, or put the layers in by hand.",
    ):
        check(reading, models.mlp(), EDITS, sample)
    check(reading, models.mlp(), EDITS, None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_outcome_may_differ_by_rounding_and_epsilon_only(models, dtype):
    net = models.Residual().to(dtype)
    sample = torch.randn(3, 3, 6, 6, dtype=dtype)
    new = dn.regularize(net, sample=sample).apply()
    with torch.no_grad():
        new.fc.bias += 0.3
    with pytest.raises(SurgeryError, match=re.escape("are others")):
        check(read(net), new, EDITS, sample)


def test_outputs_that_are_no_numbers_are_the_same_as_before():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        net[2].bias[0] = torch.nan
    dn.regularize(net, sample=torch.randn(3, 2))


def test_outputs_of_other_counts_do_not_agree():
    x = torch.ones(2)
    assert agree([x, x], [x, x])
    assert not agree([x, x], [x])
