import warnings

import pytest
import torch
from torch import nn

from dropnorm import nn as own
from dropnorm.surgery.modules.operations import is_activation_by_name
from dropnorm.surgery.modules.trace import trace


def targets(flow):
    return [str(node.target) for node in flow.graph.nodes if node.op == "call_module"]


def test_the_whole_model_in_one_flow(models):
    found = trace(models.LeNet())
    assert found.whole
    assert found.untraceable == ()
    assert targets(found.flows[0]) == ["conv1", "conv2", "fc1", "fc2"]


def test_calls_of_blocks_know_what_came_in_and_out(models):
    (flow,) = trace(models.Residual()).flows
    calls = {call.path: call for call in flow.calls}
    stem = next(node for node in flow.graph.nodes if node.name == "relu")
    assert calls["blocks"].only_input is calls["blocks.0"].only_input is stem
    assert calls["blocks"].output is calls["blocks.1"].output
    assert flow.is_within(calls["blocks.0"].output, calls["blocks"])
    assert not flow.is_within(calls["blocks.0"].output, calls["blocks.1"])
    # An empty shortcut gives back what it got, and made nothing.
    assert calls["blocks.0.shortcut"].output is stem
    assert not flow.is_within(stem, calls["blocks.0.shortcut"])


def test_two_calls_of_a_module_are_told_apart(models):
    (flow,) = trace(models.Siamese()).flows
    first, second = (call for call in flow.calls if call.path == "encode")
    assert flow.is_within(first.output, first)
    assert not flow.is_within(first.output, second)


def test_our_layers_are_single_operations():
    net = nn.Sequential(own.BatchNorm1d(4), own.Dropout(), own.BatchNormActDropout1d(4))
    assert targets(trace(net).flows[0]) == ["0", "1", "2"]


def test_optional_arguments_are_taken_as_switched_off():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x, mask=None, twice=False):
            x = self.a(x)
            if mask is not None:
                x = x * mask
            return self.b(x) if twice else x

    assert targets(trace(Net()).flows[0]) == ["a"]


def test_what_is_only_done_in_training_is_seen():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.drop = nn.Linear(2, 2), nn.Dropout()

        def forward(self, x):
            return self.drop(self.a(x)) if self.training else self.a(x)

    assert targets(trace(Net().eval()).flows[0]) == ["a", "drop"]


class Looping(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.more = nn.ModuleList([nn.Sequential(nn.Linear(4, 4)), nn.Linear(4, 4)])

    def forward(self, x):
        while x.norm() > 1:
            x = self.more[0](self.inner(x))
        return x


def test_a_part_that_cannot_be_traced_is_one_operation_and_looked_into():
    found = trace(nn.Sequential(nn.Linear(4, 4), Looping(), nn.Linear(4, 2)))
    assert found.whole
    assert [(flow.path, targets(flow)) for flow in found.flows] == [
        ("", ["0", "1", "2"]),
        ("1.inner", ["0", "1"]),
        ("1.more.0", ["0"]),
    ]
    (broken,) = found.untraceable
    assert (broken.path, broken.name) == ("1", "Looping")
    assert broken.reason == "symbolically traced variables cannot be used as inputs to control flow"
    assert found.flows[1].path_of(next(iter(reversed(found.flows[1].graph.nodes))).prev) == "1.inner.1"


def test_a_model_that_cannot_be_traced_in_pieces():
    found = trace(Looping())
    assert not found.whole
    assert [flow.path for flow in found.flows] == ["inner", "more.0"]


def test_a_forward_that_was_replaced_on_the_object_is_not_taken_for_that_of_its_class(models):
    net = models.Named()
    net.forward = lambda x: x
    found = trace(net)
    assert found.flows == ()
    assert found.untraceable[0].reason == "its forward was replaced on this one object"


@pytest.mark.parametrize("layer", [nn.Linear(2, 2), nn.LSTM(2, 2), nn.TransformerEncoderLayer(4, 2)])
def test_a_layer_of_torch_alone_is_not_looked_into(layer):
    found = trace(layer)
    assert found.flows == found.untraceable == ()


def test_the_random_state_stays():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn(3)

    state = torch.get_rng_state()
    trace(Noisy())
    assert torch.equal(state, torch.get_rng_state())


def test_activations_of_others_are_known_by_name():
    class NewGELUActivation(nn.Module):
        pass

    class ReLUBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

    assert is_activation_by_name(NewGELUActivation())
    assert not is_activation_by_name(ReLUBlock())
    assert not is_activation_by_name(nn.Dropout())


def test_warnings_of_a_forward_are_for_those_who_run_it():
    class Warns(nn.Module):
        def forward(self, x, scale=0.5):
            warnings.warn("I was called", stacklevel=1)
            return x * scale

    assert trace(Warns()).whole  # a warning is an error in tests


def test_a_module_that_calls_what_it_does_not_hold_is_the_one_that_failed():
    class Hiding(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [nn.Linear(4, 4)]

        def forward(self, x):
            return self.hidden[0](x)

    (broken,) = trace(nn.Sequential(Hiding(), nn.ReLU())).untraceable
    assert (broken.path, broken.reason) == ("0", "module is not installed as a submodule")
