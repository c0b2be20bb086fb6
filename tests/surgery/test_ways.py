import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dropnorm.surgery.modules.operations import Kind
from dropnorm.surgery.modules.trace import trace
from dropnorm.surgery.ways import ACTIVATIONS, WEIGHTS, ahead, behind, inputs, is_last, is_skipped, kinds, origin, users


@pytest.fixture
def lenet(models):
    (flow,) = trace(models.LeNet()).flows
    return flow, {node.name: node for node in flow.graph.nodes}


def test_what_comes_first_on_each_way(lenet):
    flow, nodes = lenet
    found, passed = ahead(flow, nodes["relu"], WEIGHTS)
    assert found == [nodes["conv2"]]
    assert passed == {Kind.POOLING}
    found, passed = behind(flow, nodes["fc1"], ACTIVATIONS)
    assert found == [nodes["relu_1"]]
    assert passed == {Kind.POOLING, Kind.FLATTENING}


def test_both_ways_around_a_residual_block(models):
    (flow,) = trace(models.Residual()).flows
    stem = next(node for node in flow.graph.nodes if node.name == "relu")
    found, passed = ahead(flow, stem, WEIGHTS | ACTIVATIONS)
    assert kinds(flow, found) == {Kind.WEIGHT, Kind.ACTIVATION}
    assert passed == {Kind.ADDITION}


def test_asking_for_the_size_is_no_use_of_a_value(lenet):
    flow, nodes = lenet
    pooled = nodes["max_pool2d_1"]
    assert len(pooled.users) == 2
    assert users(flow, pooled) == [nodes["view"]]
    assert inputs(flow, nodes["view"]) == [pooled]


def test_the_last_layer(lenet):
    flow, nodes = lenet
    assert [is_last(flow, nodes[name]) for name in ("conv1", "fc1", "fc2", "log_softmax")] == [False, False, True, True]


def test_where_a_value_comes_from(lenet):
    flow, nodes = lenet
    assert origin(flow, nodes["view"]) is nodes["relu_1"]
    assert origin(flow, nodes["relu"]) is nodes["relu"]


class Forked(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.first, self.layer = nn.Linear(4, 4), nn.Linear(4, 4)
        self.join = join

    def forward(self, x):
        x = F.relu(self.first(x))
        return self.join(x, self.layer(x))


@pytest.mark.parametrize(
    ("join", "skipped"),
    [
        (lambda x, y: x + y, True),
        (lambda x, y: F.relu(x.tanh()) + y, True),
        (lambda x, y: y.add_(x), True),
        (lambda x, y: torch.cat([x, y], 1), False),
        # What was joined and then goes around something is not the value any more.
        (lambda x, y: (z := torch.cat([x, y], 1)) + F.relu(z), False),
    ],
)
def test_skip_connections(join, skipped):
    (flow,) = trace(Forked(join)).flows
    (value,) = (node for node in flow.graph.nodes if node.name == "relu")
    assert is_skipped(flow, value) is skipped


def test_a_skip_connection_from_behind_a_pooling():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.stem(x)), 2)
            return x + self.conv(x)

    (flow,) = trace(Net()).flows
    assert is_skipped(flow, next(node for node in flow.graph.nodes if node.name == "relu"))
