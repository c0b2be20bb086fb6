import pytest
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own
from dropnorm.errors import ArgumentError

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def layers(model, *types):
    return [path for path, module in model.named_modules() if isinstance(module, types)]


def lines(plan):
    return [line.strip() for line in str(plan).splitlines()]


def test_before_the_last_layer_only(models):
    new = dn.regularize(models.LeNet(), where="last").apply()
    assert layers(new, *DROPOUTS) == ["fc2.dropout"]
    new = dn.regularize(models.Residual(), where="last").apply()
    assert layers(new, *DROPOUTS) == ["blocks.2"]
    assert isinstance(new.blocks[2], own.Dropout2d)
    assert layers(dn.regularize(models.Recurrent(), where="last").apply(), *DROPOUTS) == ["fc.dropout"]
    assert layers(dn.regularize(models.Transformer(), where="last").apply(), *DROPOUTS) == ["head.dropout"]


def test_the_only_layer_has_no_hidden_units_to_drop():
    assert dn.regularize(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), where="last").edits == ()


def test_last_keeps_the_rates_of_others(models):
    plan = dn.regularize(models.Regularized(), dropout=0.1, where="last")
    assert [m.p for m in plan.apply().classifier if isinstance(m, nn.Dropout)] == [0.5, 0.1]
    assert "classifier.2: rate 0.5 is kept." in str(plan)


@pytest.mark.parametrize(
    ("where", "at"),
    [
        (["conv1"], ["conv2.dropout"]),
        (["conv*"], ["conv2.dropout", "fc1.dropout"]),
        (["fc1", "conv1"], ["conv2.dropout", "fc2.dropout"]),
    ],
)
def test_places_by_path(models, where, at):
    assert layers(dn.regularize(models.LeNet(), where=where).apply(), *DROPOUTS) == at


def test_a_block_by_its_name(models):
    new = dn.regularize(models.Regularized(), dropout=0.1, where=["features"]).apply()
    assert [m.p for m in new.modules() if isinstance(m, DROPOUTS)] == [0.1, 0.1, 0.5]
    new = dn.regularize(models.Residual(), where=["blocks.1"]).apply()
    assert layers(new, *DROPOUTS) == ["blocks.1.conv2.dropout", "blocks.2"]


def test_a_path_that_is_no_place(models, refuses):
    with refuses(
        ArgumentError,
        "where='cnov1' matches no place that can have dropout: expected 'conv1', 'conv2', 'fc1'. Did you mean 'conv1'?",
    ):
        dn.regularize(models.LeNet(), where=["conv2", "cnov1"])


def test_a_module_that_is_called_twice_drops_at_both_calls_and_is_not_normalized(models):
    new = dn.regularize(models.Siamese()).apply()
    assert [type(layer) for layer in new.encode] == [nn.Linear, nn.ReLU, own.Dropout, nn.Linear]
    assert [type(layer) for layer in new.out] == [own.Dropout, nn.Linear]
    new = dn.regularize(models.Reused()).apply()
    assert [type(layer) for layer in new.encode] == [nn.Linear, own.BatchNorm1d]
    assert type(new.again) is nn.Linear
    assert [type(layer) for layer in new.act] == [nn.ReLU, own.Dropout]  # all its three calls are places
    assert isinstance(new.out, nn.Linear)


def test_each_of_two_heads_drops(models):
    new = dn.regularize(models.Heads()).apply()
    assert layers(new, *DROPOUTS) == ["first.dropout", "second.dropout"]


def test_a_function_that_drops_is_not_doubled():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x):
            return self.b(F.dropout(F.relu(self.a(x)), training=self.training))

    plan = dn.regularize(Net())
    assert layers(plan.apply(), *DROPOUTS) == []
    assert "left alone: its forward calls dropout as a function. Change it there." in str(plan)


def test_dropout_between_a_layer_and_its_activation_is_dropout_of_that_activation():
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))
    new = dn.regularize(net).apply()
    assert [type(layer).__name__ for layer in new] == ["Linear", "BatchNorm1d", "Dropout", "ReLU", "Linear"]
    assert new[2].p == 0.2


@pytest.mark.parametrize(
    ("net", "note"),
    [
        (
            nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.4), nn.BatchNorm1d(8), nn.Linear(8, 2)),
            "2: rate 0.4 is kept, but a batch norm follows, whose statistics dropout would shift (Li et al. 2019). Take it out "
            "or move it.",
        ),
        (
            nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Dropout(0.4)),
            "3: rate 0.4 is kept, but it stands after the last layer, where outputs are dropped. Take it out.",
        ),
        (
            nn.Sequential(nn.Linear(4, 8), nn.SELU(), nn.Linear(8, 2)),
            "1: no dropout after it: after SELU only AlphaDropout keeps mean and variance.",
        ),
    ],
)
def test_what_is_wrong_already_is_said(net, note):
    assert note in lines(dn.regularize(net))


def test_channels_that_are_flattened_before_the_activation_are_units():
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.ReLU(), nn.Linear(8, 2))
    assert isinstance(dn.regularize(net).apply()[4], own.Dropout)


class Features(nn.Module):
    """Gives away its hidden units, too."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.a(x))
        return x, self.b(x)


class SqueezeAndExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 1, 1)
        self.act = nn.ReLU()
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())

    def forward(self, x):
        x = self.act(self.conv(x))
        return self.out(x * self.squeeze(x))


@pytest.mark.parametrize(
    ("net", "reason"), [(Features(), "it is an output, too."), (SqueezeAndExcite(), "it is a gate, or is gated.")]
)
def test_values_that_are_not_only_hidden_units(net, reason):
    plan = dn.regularize(net)
    assert layers(plan.apply(), *DROPOUTS) == []
    assert f"act: no dropout after it: {reason}" in lines(plan)
