import pytest

from dropnorm.surgery.operations import Kind
from dropnorm.surgery.trace import trace
from dropnorm.surgery.ways import ACTIVATIONS, WEIGHTS, ahead, behind, inputs, is_last, kinds, origin, users


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
