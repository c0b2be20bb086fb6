"""What both `fuse` and `fold` rely on: obstacles are seen, modules of torch's own kind are known, nothing changes unseen."""

import pytest
import torch
from torch import nn

from dropnorm.errors import SurgeryError
from dropnorm.surgery.modules.receipt import Changes, carry_out, is_one_of, obstacle, with_tensors_of
from dropnorm.surgery.notes import Note


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
    class ReLUInTraining(nn.Module):  # an activation by its name, and so one operation
        def forward(self, x):
            return 2 * x if self.training else x

    model, x = nn.Sequential(nn.Linear(3, 3), nn.Identity()), torch.randn(5, 3)
    with pytest.raises(SurgeryError, match="in training mode would be others"):
        carry_out(model, changed_to(ReLUInTraining()), str, x, training=True)
    carry_out(model, changed_to(ReLUInTraining()), str, x, training=False)


class Collecting(nn.Module):
    """Gives what comes from its activations, told by their class, and a plain value otherwise."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                x = 2 * x
        return x


def test_a_forward_that_looks_at_classes_is_seen_without_a_sample():
    change = lambda _: Changes(new={"layers.1": nn.ReLU6()}, done=[Note("layers.1", "changed")])  # noqa: E731
    for training in (False, True):
        with pytest.raises(SurgeryError, match="its forward calls other layers afterwards"):
            carry_out(Collecting(), change, str, None, training=training)


def test_one_layer_under_two_names_is_put_back_at_both():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
            self.alias = self.net

        def forward(self, x):
            return self.net(x)

    change = lambda _: Changes(new={"net.1": nn.GELU(), "alias.1": nn.GELU()})  # noqa: E731
    back = carry_out(Named(), change, str, None, training=True).undo()
    assert isinstance(back.net[1], nn.ReLU)
    assert back.alias is back.net


def test_what_has_a_rate_but_is_no_dropout_keeps_it():
    class PowerMean(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = 3.0

        def forward(self, x):
            return x.clamp(min=1e-6).pow(self.p).mean(1).pow(1 / self.p)

    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), PowerMean())
    carry_out(model, changed_to(nn.ReLU()), str, torch.randn(5, 3), training=True)


def test_switches_of_the_forward_are_told():
    class Switched(nn.Sequential):
        def forward(self, x, features=False):
            return x if features else super().forward(x)

    notes = carry_out(Switched(nn.Linear(3, 3), nn.ReLU()), changed_to(nn.ReLU()), str, None, training=False).notes
    assert [note.text for note in notes] == [
        "its forward was followed with features=False: with other values it may compute something else."
    ]
