"""What both `fuse` and `fold` rely on: obstacles are seen, modules of torch's own kind are known, nothing changes unseen."""

import pytest
import torch
from torch import nn

from dropnorm.errors import SurgeryError
from dropnorm.surgery.reading import Note
from dropnorm.surgery.receipt import Changes, carry_out, is_one_of, obstacle, with_tensors_of


def hooked(module):
    module.register_forward_pre_hook(lambda *_: None)


def replaced(module):
    module.forward = lambda x: x


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hooked, "it has hooks, which would be lost."),
        (nn.utils.parametrizations.weight_norm, "its weight has a parametrization."),
        (replaced, "its forward was replaced on this one object."),
        (lambda _: None, ""),
    ],
)
def test_obstacles(change, reason):
    module = nn.Linear(2, 2)
    change(module)
    assert obstacle(module) == reason


def test_a_class_that_only_makes_a_layer_otherwise_is_one():
    class Same(nn.Conv2d):
        def __init__(self):
            super().__init__(3, 4, 1)

    class Padded(nn.Conv2d):
        def _conv_forward(self, x, weight, bias):
            return super()._conv_forward(nn.functional.pad(x, (1, 1, 1, 1)), weight, bias)

    class Scaled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    assert is_one_of(Same(), (nn.Linear, nn.Conv2d))
    assert not is_one_of(Padded(3, 4, 1), (nn.Conv2d,))
    assert not is_one_of(Scaled(2, 2), (nn.Linear,))


def test_tensors_are_handed_on_as_they_are():
    old, new = nn.BatchNorm1d(3).eval(), nn.BatchNorm1d(3, device="meta")
    with_tensors_of(new, old)
    assert new.weight is old.weight
    assert new.running_var is old.running_var
    assert not new.training


def changed_to(layer):
    return lambda _: Changes(new={"1": layer}, done=[Note("1", "changed")])


@pytest.mark.parametrize("training", [False, True])
def test_what_computes_something_else_is_refused_if_there_is_a_sample(training):
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.randn(5, 3)
    carry_out(model, changed_to(nn.ReLU()), str, x, training=training)
    with pytest.raises(SurgeryError, match="its outputs for the sample in inference mode would be others"):
        carry_out(model, changed_to(nn.GELU()), str, x, training=training)
    receipt = carry_out(model, changed_to(nn.GELU()), str, None, training=training)
    assert isinstance(receipt.undo()[1], nn.ReLU)
    assert isinstance(model[1], nn.ReLU)


def test_what_only_training_shows_is_seen_there():
    class InTraining(nn.Module):
        def forward(self, x):
            return 2 * x if self.training else x

    model, x = nn.Sequential(nn.Linear(3, 3), nn.Identity()), torch.randn(5, 3)
    with pytest.raises(SurgeryError, match="in training mode would be others"):
        carry_out(model, changed_to(InTraining()), str, x, training=True)
    carry_out(model, changed_to(InTraining()), str, x, training=False)
