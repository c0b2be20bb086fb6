"""Where dropout and batch norm stand, in the cases that examples of the page leave out: alarms that must not be, above all."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own


class Written(nn.Module):
    """A forward given as a function of the module and x."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.written = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.written(self, x)


def codes(model, batch=None):
    return dn.audit(model, batch, select="DN1").codes


@pytest.mark.parametrize("between", [[], [nn.ReLU()], [nn.MaxPool1d(1)]])
def test_dropout_before_batch_norm_through_what_passes_it_on(between):
    model = nn.Sequential(
        nn.Conv1d(3, 4, 1), nn.Dropout1d(0.5), *between, nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 2, 1)
    )
    found = dn.audit(model, select="DN101")
    assert found.codes == ("DN101",)
    assert found.findings[0].values == {"p": 0.5, "norm": str(2 + len(between)), "others": "", "ratio": 2.0}


def test_weights_in_between_and_rate_zero_are_no_dropout_before_batch_norm():
    layers = [
        nn.Linear(4, 4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4, 4, bias=False),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.Linear(4, 2),
    ]
    assert codes(nn.Sequential(*layers)) == ()
    assert codes(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.0), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))) == ()


def test_functional_and_fused_dropout_before_batch_norm():
    model = Written(
        lambda self, x: self.out(F.relu(self.norm(F.dropout(self.first(x), 0.25, self.training)))),
        first=nn.Linear(4, 4),
        norm=nn.BatchNorm1d(4),
        out=nn.Linear(4, 2),
    )
    assert codes(model) == codes(model, torch.randn(32, 4)) == ("DN101",)
    fused = nn.Sequential(nn.Linear(4, 4, bias=False), own.BatchNormActDropout1d(4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    assert codes(fused) == ("DN101",)


def test_a_bias_that_goes_elsewhere_too_is_of_use():
    model = Written(
        lambda self, x: self.out(F.relu(self.norm(y := self.first(x))) + y),
        first=nn.Linear(4, 4),
        norm=nn.BatchNorm1d(4),
        out=nn.Linear(4, 2),
    )
    assert codes(model) == ()


def test_dropout_of_features_and_batch_norm_of_a_backbone_are_no_outputs():
    features = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout())
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    assert codes(features) == codes(backbone) == ()


def test_softmax_inside_and_log_softmax_are_right():
    attention = Written(
        lambda self, x: self.value(x) * torch.softmax(self.score(x), 1), value=nn.Linear(4, 4), score=nn.Linear(4, 4)
    )
    logarithm = Written(lambda self, x: torch.log_softmax(self.out(x), 1), out=nn.Linear(4, 3))
    function = Written(lambda self, x: F.softmax(self.out(x), 1), out=nn.Linear(4, 3))
    assert codes(attention) == codes(logarithm) == ()
    assert codes(function) == ("DN105",)


def test_single_positions_and_dense_layers_have_no_neighbours():
    squeeze = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(4, 2, 1))
    assert codes(squeeze, torch.randn(8, 3, 5, 5)) == ()
    head = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * 25, 2))
    assert codes(head) == codes(head, torch.randn(8, 3, 5, 5)) == ()


@pytest.mark.parametrize(("layer", "shape"), [(nn.Dropout1d(0.2), (8, 4)), (nn.Dropout3d(0.2), (8, 4, 5, 5))])
def test_channels_on_too_few_dimensions(layer, shape):
    first = nn.Linear(4, 4) if len(shape) == 2 else nn.Conv2d(4, 4, 1)
    found = dn.audit(nn.Sequential(first, nn.ReLU(), layer, first), torch.randn(shape), select="DN107")
    assert found.findings[0].values["given"] == len(shape)


def test_a_branch_called_twice_shares_its_batch_norm_on_purpose():
    encode = nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    siamese = Written(lambda self, x: self.encode(x) - self.encode(-x), encode=encode)
    assert codes(siamese) == codes(siamese, torch.randn(32, 4)) == ()


def test_one_batch_norm_under_two_names():
    norm = nn.BatchNorm1d(8)
    model = nn.Sequential(
        nn.Linear(4, 8, bias=False), norm, nn.ReLU(), nn.Linear(8, 8, bias=False), norm, nn.ReLU(), nn.Linear(8, 2)
    )
    found = dn.audit(model, select="DN1")
    assert [(each.code, each.path, each.values) for each in found.findings] == [("DN108", "1", {"layers": "0 and 3"})]


def test_a_bias_along_another_dimension_than_the_normalized_one_is_of_use():
    """(N, positions, features): the batch norm normalizes positions."""
    model = nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2))
    assert codes(model, torch.randn(64, 8, 10)) == ()
