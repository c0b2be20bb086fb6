import copy

import pytest
import torch
from torch import nn

from dropnorm import nn as own
from dropnorm.errors import SurgeryError
from dropnorm.surgery.edits import Insert, NewLayer, Remove, ReturnBias, SetRate
from dropnorm.surgery.modules.rewrite import copied, rewrite

DROPOUT = NewLayer("Dropout", 0.2)


def test_neighbours_in_a_sequential_of_numbers(models):
    new = rewrite(models.mlp(), [Insert("1", True, True, DROPOUT), Insert("4", False, True, DROPOUT)])
    assert list(new._modules) == list("0123456")
    assert [type(layer).__name__ for layer in new] == [
        "Linear",
        "ReLU",
        "Dropout",
        "Linear",
        "Tanh",
        "Dropout",
        "Linear",
    ]


def test_neighbours_in_a_sequential_of_names():
    net = nn.Sequential()
    for name, layer in (("conv0", nn.Conv2d(1, 2, 1)), ("relu0", nn.ReLU()), ("relu1", nn.ReLU())):
        net.add_module(name, layer)
    new = rewrite(net, [Insert("relu0", True, True, DROPOUT), Insert("relu1", True, True, DROPOUT)])
    assert list(new._modules) == ["conv0", "relu0", "dropout", "relu1", "relu1_dropout"]


def test_around_a_module(models):
    norm = NewLayer("BatchNorm1d", 8)
    edits = [
        Insert("act1", True, False, DROPOUT),
        Insert("act1", False, False, norm, like="fc1", takes_bias=True),
        Insert("act1", False, False, NewLayer("Dropout", 0.5)),
    ]
    net = models.Named()
    new = rewrite(net, edits)
    assert list(new.act1._modules) == ["norm", "dropout", "layer", "dropout_dropout"]
    assert new.fc1.bias is None
    assert torch.equal(new.act1.norm.bias, net.fc1.bias)
    assert net.fc1.bias is not None


def test_a_batch_norm_without_the_bias_of_its_layer(models):
    new = rewrite(models.mlp(), [Insert("0", True, True, NewLayer("BatchNorm1d", 8), like="0")])
    assert new[0].bias is not None
    assert torch.equal(new[1].bias, torch.zeros(8))


def test_rates(models):
    assert rewrite(models.Regularized(), [SetRate("classifier.2", 0.1)]).classifier[2].p == 0.1


def test_taken_out_of_a_sequential_or_replaced(models):
    assert [type(layer) for layer in rewrite(models.mlp(), [Remove("1", True)])][:2] == [nn.Linear, nn.Linear]
    assert type(rewrite(models.Named(), [Remove("act1", False)]).act1) is nn.Identity


@pytest.mark.parametrize(
    ("layer", "keep", "left"),
    [
        (own.BatchNormActDropout1d(4, activation="silu"), False, [nn.SiLU()]),
        (own.BatchNormActDropout1d(4, activation="identity"), False, [nn.Identity()]),
        (own.BatchNormActDropout1d(4, activation="leaky_relu", negative_slope=0.3), False, [nn.LeakyReLU(0.3)]),
        (own.BatchNormActDropout1d(4, p=0.3), True, [nn.ReLU(), own.Dropout(0.3)]),
        (own.BatchNormActDropout1d(4, p=0.3, channelwise=True), True, [nn.ReLU(), own.Dropout1d(0.3)]),
        (own.BatchNormActDropout2d(4, p=0.3, channelwise=True), True, [nn.ReLU(), own.Dropout2d(0.3)]),
    ],
)
def test_what_is_left_of_a_fused_module(layer, keep, left):
    new = rewrite(nn.Sequential(layer), [Remove("0", True, keep)])
    assert repr(new) == repr(nn.Sequential(*left))


def test_a_bias_that_comes_back():
    net = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3))
    net[1].bias.data.fill_(5.0)
    assert torch.equal(rewrite(net, [ReturnBias("0", "1")])[0].bias, torch.full((3,), 5.0))
    net[1] = nn.BatchNorm1d(3, affine=False)
    assert torch.equal(rewrite(net, [ReturnBias("0", "1")])[0].bias, torch.zeros(3))


def test_what_was_put_around_a_layer_goes_with_what_it_was_put_there_for(models):
    net = models.Named()
    new = rewrite(rewrite(net, [Insert("act1", True, False, DROPOUT)]), [Remove("act1.dropout", True)])
    assert repr(new) == repr(net)


def test_a_model_that_cannot_be_copied(models, refuses):
    net = models.mlp()
    net.kept = net[0].weight * 2
    with pytest.raises(RuntimeError) as copying:
        copy.deepcopy(net)
    with refuses(
        SurgeryError,
        f"Sequential cannot be copied (RuntimeError: {copying.value}): expected a model that copy.deepcopy takes, since the "
        f"given one stays as it is. Drop what it cannot copy, such as tensors that are kept with their graph.",
    ):
        copied(net)
