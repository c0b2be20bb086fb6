import pytest
import torch
from torch import nn

from dropnorm import nn as own
from dropnorm.errors import ArgumentTypeError
from dropnorm.surgery.modules.reading import is_dropout, is_fused, read


def test_what_is_no_module(refuses):
    with refuses(
        ArgumentTypeError, "model=type is no torch.nn.Module: expected a module. For a class give an instance of it."
    ):
        read(nn.Linear)


def test_a_wrapped_model(models, refuses):
    with refuses(
        ArgumentTypeError,
        "model=DataParallel wraps another module: expected the module itself. Give model.module, and wrap the result anew.",
    ):
        read(nn.DataParallel(models.mlp()))
    with refuses(
        ArgumentTypeError,
        "model=OptimizedModule wraps another module: expected the module itself. Give model._orig_mod, and wrap the result "
        "anew.",
    ):
        read(torch.compile(models.mlp()))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_traced_part(models, refuses):
    traced = torch.jit.trace(models.mlp(), torch.randn(2, 6))
    with refuses(
        ArgumentTypeError,
        "model holds '0' (TopLevelTracedModule), which cannot be rewritten: expected ordinary modules. Give the model as it "
        "was before it was scripted or quantized.",
    ):
        read(nn.Sequential(traced))


def test_a_lazy_layer(refuses):
    with refuses(
        ArgumentTypeError,
        "model holds '0' (LazyLinear), whose weights have no shape yet: expected initialized modules. Run the model once on a "
        "batch first.",
    ):
        read(nn.Sequential(nn.LazyLinear(3)))


def test_how_often_a_module_is_called(models):
    reading = read(models.Siamese())
    (flow,) = reading.trace.flows
    assert [reading.calls(flow, path) for path in ("encode", "encode.0", "mix")] == [2, 2, 1]
    assert [reading.is_called_once(flow, path) for path in ("encode.0", "mix")] == [False, True]


def test_in_pieces_only_a_sample_tells(models):
    for sample, known in ((None, False), (torch.randn(2, 3, 4), True)):
        reading = read(models.Stepwise(), sample)
        (flow,) = reading.trace.flows
        assert reading.is_called_once(flow, "head.0") is known
        assert reading.is_in_sequential(flow, "head.0") is known


class Repeating(nn.Module):
    """Cannot be traced, and calls its block twice for this sample."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    def forward(self, x):
        for _ in range(len(x)):
            x = self.block(x)
        return x


def test_a_sample_sees_repetitions_that_a_piece_does_not():
    reading = read(Repeating(), torch.randn(2, 4))
    (flow,) = reading.trace.flows
    assert reading.calls(flow, "block.0") == 1
    assert not reading.is_called_once(flow, "block.0")


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.AlphaDropout(), own.Dropout2d(), own.BatchNormActDropout1d(2)])
def test_dropouts(layer):
    assert is_dropout(layer)
    assert is_fused(layer) == isinstance(layer, own.BatchNormActDropout1d)
    assert not is_dropout(nn.BatchNorm1d(2))
