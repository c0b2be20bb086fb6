import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own
from dropnorm.errors import ArgumentError, ArgumentTypeError, SurgeryError
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.trace import trace
from dropnorm.surgery.ways import ACTIVATIONS, WEIGHTS, ahead


def flat_outputs(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def same_function(a, b, x, tolerance=1e-4):
    a, b = copy.deepcopy(a).eval(), copy.deepcopy(b).eval()
    pairs = zip(flat_outputs(a(x)), flat_outputs(b(x)), strict=True)
    return all(torch.allclose(left, right, atol=tolerance) for left, right in pairs)


def layers(model, *types):
    return [path for path, module in model.named_modules() if isinstance(module, types)]


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


# Against models that are built by hand


def with_bias_of(norm, layer):
    norm.bias = nn.Parameter(layer.bias.detach().clone())
    return norm


def test_an_mlp(models):
    net = models.mlp()
    a, _, b, _, c = net
    expected = nn.Sequential(
        nn.Linear(6, 8, bias=False),
        with_bias_of(own.BatchNorm1d(8), a),
        nn.ReLU(),
        own.Dropout(0.3),
        nn.Linear(8, 8, bias=False),
        with_bias_of(own.BatchNorm1d(8), b),
        nn.Tanh(),
        own.Dropout(0.3),
        nn.Linear(8, 3),
    )
    for index, layer in ((0, a), (4, b), (8, c)):
        expected[index].weight = layer.weight
    expected[8].bias = c.bias
    new = dn.regularize(net, dropout=0.3).apply()
    assert repr(new) == repr(expected)
    assert new.state_dict().keys() == expected.state_dict().keys()
    for name, value in expected.state_dict().items():
        assert torch.equal(new.state_dict()[name], value), name
    x = torch.randn(16, 6)
    torch.manual_seed(1)
    trained = new(x)
    torch.manual_seed(1)
    assert torch.equal(trained, expected(x))  # masks and batch statistics included


class RegularizedLeNet(nn.Module):
    def __init__(self, plain, rate):
        super().__init__()
        self.plain = copy.deepcopy(plain)
        widths = {"conv1": own.BatchNorm2d(4), "conv2": own.BatchNorm2d(6), "fc1": own.BatchNorm1d(12)}
        self.norms = nn.ModuleDict(widths)
        for name, norm in self.norms.items():
            layer = getattr(self.plain, name)
            norm.bias, layer.bias = layer.bias, None
        self.dropouts = nn.ModuleList([own.Dropout2d(rate), own.Dropout(rate), own.Dropout(rate)])

    def forward(self, x):
        plain, norms, dropouts = self.plain, self.norms, self.dropouts
        x = dropouts[0](F.max_pool2d(F.relu(norms["conv1"](plain.conv1(x))), 2))
        x = F.max_pool2d(F.relu(norms["conv2"](plain.conv2(x))), 2)
        x = dropouts[1](x.view(x.size(0), -1))
        x = dropouts[2](F.relu(norms["fc1"](plain.fc1(x))))
        return F.log_softmax(plain.fc2(x), dim=1)


def test_a_lenet_of_functions(models):
    net = models.LeNet()
    new = dn.regularize(net, dropout=0.3).apply()
    expected = RegularizedLeNet(net, 0.3)
    x = torch.randn(7, 1, 14, 14)
    torch.manual_seed(1)
    trained = new(x)
    torch.manual_seed(1)
    torch.testing.assert_close(trained, expected(x))
    assert type(new) is models.LeNet
    assert [[type(layer).__name__ for layer in block] for block in new.children()] == [
        ["Conv2d", "BatchNorm2d"],
        ["Dropout2d", "Conv2d", "BatchNorm2d"],
        ["Dropout", "Linear", "BatchNorm1d"],
        ["Dropout", "Linear"],
    ]


def test_a_residual_net(models):
    new = dn.regularize(models.Residual()).apply()
    block, other = (each for each in new.blocks if isinstance(each, models.Block))
    for conv in (new.stem, block.conv1, other.conv1):
        assert [type(layer) for layer in conv] == [nn.Conv2d, own.BatchNorm2d]
    for conv in (block.conv2, other.conv2):
        assert [type(layer) for layer in conv] == [own.Dropout2d, nn.Conv2d, own.BatchNorm2d]
    assert [type(layer) for layer in other.shortcut] == [nn.Conv2d, own.BatchNorm2d]
    assert list(block.shortcut) == []
    # What goes through a shortcut stays whole.
    assert [type(layer) for layer in new.blocks] == [models.Block, models.Block, own.Dropout2d]
    assert all(conv[name].bias is None for conv, name in ((new.stem, 0), (block.conv1, 0), (other.shortcut, 0)))


def test_activations_that_are_modules_get_the_new_layers_so_that_weights_keep_their_names(models):
    net = models.Named()
    new = dn.regularize(net).apply()
    assert [type(layer) for layer in new.act1] == [own.BatchNorm1d, nn.GELU, own.Dropout]
    assert set(net.state_dict()) - set(new.state_dict()) == {"fc1.bias", "fc2.bias"}
    assert torch.equal(new.fc1.weight, net.fc1.weight)


def test_what_is_there_is_not_doubled(models):
    plan = dn.regularize(models.Regularized(), dropout=0.1)
    new = plan.apply()
    assert [type(layer).__name__ for layer in new.features] == [
        *("Conv2d", "BatchNorm2d", "ReLU", "Dropout2d", "MaxPool2d"),
        *("Conv2d", "BatchNorm2d", "ReLU", "Dropout2d"),
    ]
    assert [type(layer).__name__ for layer in new.classifier] == [
        *("Linear", "BatchNorm1d", "ReLU", "Dropout"),
        *("Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"),
    ]
    assert [module.p for module in new.modules() if isinstance(module, DROPOUTS)] == [0.1] * 4
    assert "classifier.2: dropout is there already: its rate 0.5 becomes 0.1." in str(plan)
    assert "features.1: batch norm is there already, and kept." in str(plan)


def test_twice_is_once(model, sample_of):
    sample = sample_of(model)
    new = dn.regularize(model, sample=sample, input_dropout=0.1 if sample.is_floating_point() else None).apply()
    again = dn.regularize(new, sample=sample, input_dropout=0.1 if sample.is_floating_point() else None)
    assert again.edits == ()
    assert repr(again.apply()) == repr(new)


# Properties of every model


@pytest.mark.parametrize("where", ["auto", "last"])
def test_the_given_model_is_untouched_and_the_new_one_computes_the_same_in_inference(model, sample_of, where):
    sample, before = sample_of(model), copy.deepcopy(model)
    state = torch.get_rng_state()
    new = dn.regularize(model, where=where, sample=sample).apply()
    assert torch.equal(state, torch.get_rng_state())
    assert repr(model) == repr(before)
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), before.state_dict().values(), strict=True)
    )
    assert model.training
    assert type(new) is type(model)
    assert same_function(model, new, sample)


def test_the_new_model_trains(model, sample_of):
    sample = sample_of(model)
    new = dn.regularize(model, sample=sample).apply()
    sum(output.square().mean() for output in flat_outputs(new(sample))).backward()
    assert all(parameter.grad is not None for parameter in new.parameters())


def test_no_dropout_comes_before_a_batch_norm_or_after_the_last_layer(model, sample_of):
    new = dn.regularize(model, sample=sample_of(model)).apply()
    for flow in trace(new).flows:
        for node in flow.graph.nodes:
            if kind_of(flow, node) is Kind.DROPOUT:
                following = ahead(flow, node, WEIGHTS | {Kind.BATCH_NORM, Kind.OTHER_NORM, Kind.OUTPUT})[0]
                found = {kind_of(flow, each) for each in following}
                assert Kind.BATCH_NORM not in found
                assert found & WEIGHTS


def test_a_batch_norm_is_followed_by_an_activation(model, sample_of):
    """Or by the addition of a residual block before it."""
    new = dn.regularize(model, sample=sample_of(model)).apply()
    for flow in trace(new).flows:
        for node in flow.graph.nodes:
            if isinstance(flow.module_of(node), own.BatchNorm1d | own.BatchNorm2d):
                following = ahead(flow, node, ACTIVATIONS | WEIGHTS | {Kind.OUTPUT})[0]
                assert {kind_of(flow, each) for each in following} <= ACTIVATIONS


def test_everything_switched_off_changes_nothing(model):
    plan = dn.regularize(model, dropout=None, batch_norm=False)
    assert plan.edits == ()


def test_dropout_alone_and_batch_norm_alone(models):
    only_dropout = dn.regularize(models.mlp(), batch_norm=False).apply()
    assert layers(only_dropout, *NORMS) == []
    assert only_dropout[0].bias is not None
    for off in (None, 0, 0.0):
        only_norm = dn.regularize(models.mlp(), dropout=off).apply()
        assert layers(only_norm, *DROPOUTS) == []
        assert len(layers(only_norm, *NORMS)) == 2
    one_after_the_other = dn.regularize(only_norm, batch_norm=False).apply()
    assert repr(one_after_the_other) == repr(dn.regularize(models.mlp()).apply())


# What is left alone


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("Recurrent", ["rnn: left alone: LSTM drops between its own layers (dropout=0)."]),
        (
            "Reused",
            [
                "again: no batch norm: it is called more than once in a forward pass, and each use has statistics of its own."
            ],
        ),
        (
            "TiedByFunction",
            [
                "encode: no batch norm: the forward pass takes its weight or bias, too.",
                "encode: no dropout after it: functions make and take it, or modules called several times. Make the "
                "activation a module of its own.",
            ],
        ),
        (
            "PreActivation",
            [
                "conv1: no dropout after it: a batch norm follows, whose statistics dropout would shift (Li et al. 2019).",
                "norm: batch norm is there already, after an activation, and kept.",
            ],
        ),
        (
            "Residual",
            ["stem, blocks.0.relu: no dropout after it: it goes through a skip connection, too, which stays whole."],
        ),
        (
            "Transformer",
            [
                "the model: no batch norm: norm normalizes already, each sample by itself.",
                "attention: left alone: MultiheadAttention drops its weights (dropout=0.1).",
            ],
        ),
    ],
)
def test_notes(models, name, notes):
    lines = [line.strip() for line in str(dn.regularize(getattr(models, name)())).splitlines()]
    assert [note for note in notes if note not in lines] == []


def test_a_transformer_is_not_harmed(models):
    new = dn.regularize(models.Transformer()).apply()
    assert [type(layer) for layer in new.mlp] == [nn.Linear, nn.GELU, own.Dropout, nn.Linear]
    assert layers(new, *NORMS) == []
    assert new.attention.dropout == 0.1
    layer = models.encoder_layer()
    new = dn.regularize(layer, dropout=0.3).apply()
    assert [new.dropout.p, new.dropout1.p, new.dropout2.p] == [0.3] * 3
    assert new.state_dict().keys() == layer.state_dict().keys()


def test_a_recurrent_net_is_left_alone(models):
    assert dn.regularize(models.Recurrent()).edits == ()
    assert layers(dn.regularize(models.Stepwise()).apply().cell, *DROPOUTS) == []


@pytest.mark.parametrize(
    ("conv", "norm", "dropout", "shape"),
    [
        (nn.Conv1d(2, 3, 1), own.BatchNorm1d, own.Dropout1d, (4, 2, 5)),
        (nn.Conv2d(2, 3, 1), own.BatchNorm2d, own.Dropout2d, (4, 2, 5, 5)),
        (nn.Conv3d(2, 3, 1), own.BatchNorm3d, own.Dropout3d, (4, 2, 5, 5, 5)),
        (nn.ConvTranspose2d(2, 3, 1), own.BatchNorm2d, own.Dropout2d, (4, 2, 5, 5)),
    ],
)
def test_convolutions_of_each_dimension(conv, norm, dropout, shape):
    last = type(conv)(3, 2, 1)
    new = dn.regularize(nn.Sequential(conv, nn.ReLU(), last), sample=torch.randn(shape)).apply()
    assert [type(layer) for layer in new] == [type(conv), norm, nn.ReLU, dropout, type(last)]
    assert new(torch.randn(shape)).shape == shape


def test_types_devices_and_modes_are_kept():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double().eval()
    new = dn.regularize(net).apply()
    assert {value.dtype for value in new.state_dict().values()} == {torch.float64, torch.int64}
    assert not any(module.training for module in new.modules())


# Models that cannot be traced


def test_pieces_of_a_model_that_cannot_be_traced(models):
    net = models.Stepwise()
    plan = dn.regularize(net)
    assert layers(plan.apply(), *DROPOUTS) == ["head.1.dropout"]
    assert layers(plan.apply(), *NORMS) == []
    assert "head.0: no batch norm: it is not known how often it is called" in str(plan)
    new = dn.regularize(net, sample=torch.randn(5, 7, 4)).apply()
    assert [type(layer) for layer in new.head] == [nn.Linear, own.BatchNorm1d, nn.ReLU, own.Dropout, nn.Linear]


class Hopeless(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.a(x)
        if x.sum() > 0:
            x = -x
        return self.b(F.relu(x))


def test_a_model_in_which_nothing_can_be_traced(refuses):
    with refuses(
        SurgeryError,
        "model=Hopeless: no place for dropout or batch norm is found, since the forward of 'the model' (Hopeless) cannot be "
        "traced: symbolically traced variables cannot be used as inputs to control flow. Expected a forward that torch.fx can "
        "follow, without control flow that depends on values. Move layers and their activations into a torch.nn.Sequential, "
        "which is looked into on its own.",
    ):
        dn.regularize(Hopeless())


# Arguments


def test_what_is_no_rate(models, refuses):
    with refuses(
        ArgumentError,
        "dropout=20 is not a probability: expected 0 <= dropout <= 1. To drop 20 % of the units use dropout=0.2.",
    ):
        dn.regularize(models.mlp(), dropout=20)
    with refuses(
        ArgumentError, "input_dropout=1.0 drops everything: expected 0 <= input_dropout < 1. Use a rate such as 0.2."
    ):
        dn.regularize(models.mlp(), input_dropout=1.0)


def test_what_is_no_place(models, refuses):
    with refuses(ArgumentError, "where='lats' is unknown: expected one of 'auto', 'last'. Did you mean 'last'?"):
        dn.regularize(models.mlp(), where="lats")
    with refuses(
        ArgumentTypeError,
        "where=3 is no choice of places: expected 'auto', 'last' or a list of module paths. For one path give a list of one, "
        "such as ['features.*'].",
    ):
        dn.regularize(models.mlp(), where=3)
