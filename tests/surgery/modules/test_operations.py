import operator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dropnorm import nn as own
from dropnorm.surgery.modules.operations import Kind, kind_of, kind_of_module
from dropnorm.surgery.modules.trace import trace


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x, y):
        given = {"x": x, "y": y, "scale": self.scale}
        return self.function(*(given[name] for name in self.function.__code__.co_varnames))


def kind_of_function(function):
    (flow,) = trace(Function(function)).flows
    return kind_of(flow, next(iter(reversed(flow.graph.nodes))).all_input_nodes[0])


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: F.relu(x), Kind.ACTIVATION),
        (lambda x: F.relu_(x), Kind.ACTIVATION),
        (lambda x: torch.relu(x), Kind.ACTIVATION),
        (lambda x: x.relu_(), Kind.ACTIVATION),
        (lambda x: x.tanh(), Kind.ACTIVATION),
        (lambda x: F.gelu(x, approximate="tanh"), Kind.ACTIVATION),
        (lambda x: F.leaky_relu(x), Kind.ACTIVATION),
        (lambda x: F.logsigmoid(x), Kind.ACTIVATION),
        (lambda x: F.hardswish(x), Kind.ACTIVATION),
        (lambda x: F.selu(x), Kind.SELF_NORMALIZING),
        (lambda x: F.softmax(x, 1), Kind.OTHER),
        (lambda x: F.max_pool2d(x, 2), Kind.POOLING),
        (lambda x: torch.max_pool2d(x, 2), Kind.POOLING),
        (lambda x: F.adaptive_avg_pool2d(x, 1), Kind.POOLING),
        (lambda x: F.adaptive_max_pool2d(x, 1), Kind.POOLING),
        (lambda x: torch.flatten(x, 1), Kind.FLATTENING),
        (lambda x: x.view(x.shape[0], -1), Kind.FLATTENING),
        (lambda x: x.mean((2, 3)), Kind.FLATTENING),
        (lambda x, y: F.linear(x, y), Kind.WEIGHT),
        (lambda x, y: F.conv2d(x, y), Kind.WEIGHT),
        (lambda x, y: x @ y, Kind.WEIGHT),
        (lambda x: F.dropout(x), Kind.DROPOUT),
        (lambda x: F.dropout2d(x), Kind.DROPOUT),
        (lambda x: F.layer_norm(x, (3,)), Kind.OTHER_NORM),
        (lambda x: F.batch_norm(x, None, None, training=True), Kind.BATCH_NORM),
        (lambda x, y: x + y, Kind.ADDITION),
        (lambda x, y: torch.add(x, y), Kind.ADDITION),
        (lambda x, y: operator.iadd(x, y), Kind.ADDITION),
        (lambda x, y: x.add_(y), Kind.ADDITION),
        (lambda x: x + 1, Kind.IDENTITY),
        (lambda x, y: x * y, Kind.GATE),
        (lambda x: x * x.shape[0], Kind.IDENTITY),
        (lambda x, scale: x * scale, Kind.IDENTITY),
        (lambda x, y: torch.cat([x, y]), Kind.CONCATENATION),
        (lambda x: x.size(0), Kind.METADATA),
        (lambda x: x.shape[0] + 1, Kind.METADATA),
        (lambda x: x.contiguous(), Kind.IDENTITY),
        (lambda x: torch.fft.fft(x), Kind.OTHER),
    ],
)
def test_functions(function, kind):
    assert kind_of_function(function) is kind


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.Linear(2, 2), Kind.WEIGHT),
        (nn.Conv1d(2, 2, 1), Kind.WEIGHT),
        (nn.ConvTranspose3d(2, 2, 1), Kind.WEIGHT),
        (nn.LSTM(2, 2), Kind.OPAQUE),
        (nn.MultiheadAttention(2, 1), Kind.OPAQUE),
        (nn.Bilinear(2, 2, 2), Kind.OPAQUE),
        (nn.Embedding(2, 2), Kind.EMBEDDING),
        (nn.BatchNorm2d(2), Kind.BATCH_NORM),
        (nn.SyncBatchNorm(2), Kind.BATCH_NORM),
        (own.BatchNorm1d(2), Kind.BATCH_NORM),
        (own.BatchNormActDropout1d(2), Kind.BATCH_NORM),
        (nn.LayerNorm(2), Kind.OTHER_NORM),
        (nn.InstanceNorm2d(2), Kind.OTHER_NORM),
        (nn.PReLU(), Kind.ACTIVATION),
        (nn.SELU(), Kind.SELF_NORMALIZING),
        (nn.Softmax(1), Kind.OTHER),
        (nn.Dropout2d(), Kind.DROPOUT),
        (nn.AlphaDropout(), Kind.DROPOUT),
        (own.Dropout(), Kind.DROPOUT),
        (nn.AdaptiveAvgPool2d(1), Kind.POOLING),
        (nn.Flatten(), Kind.FLATTENING),
        (nn.Identity(), Kind.IDENTITY),
    ],
)
def test_modules(module, kind):
    assert kind_of_module(module) is kind


def test_norms_of_others_are_known_by_name():
    class LlamaRMSNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

    assert kind_of_module(LlamaRMSNorm()) is Kind.OTHER_NORM
