"""Nets outside of their study: whichever they are, they are made, filled and called alike."""

import pytest
import torch
from torch import nn

from dropnorm.study.arms import named_arm
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import factory_name
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.saving.nets import saved_nets


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


ARCHITECTURES = {
    "batched": Architecture(features=4, hidden=(8,), outputs=3),
    "module": look_over(ModuleArchitecture(factory=factory_name(small), features=4, outputs=3)),
}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_net_is_given_its_weights_and_called(kind):
    nets, x = saved_nets(ARCHITECTURES[kind]), torch.randn(5, 4)
    one, other = (nets.build(named_arm("dropout"), 0.5) for _ in range(2))
    with torch.no_grad():
        for tensor in nets.tensors(one).values():
            tensor.add_(1.0)
    assert nets.drops(one)
    assert not nets.drops(nets.build(named_arm("batch_norm"), 0.0))
    assert not torch.equal(nets.outputs(one, x), nets.outputs(other, x))
    nets.load(other, nets.tensors(one))
    assert torch.equal(nets.outputs(one, x), nets.outputs(other, x))
    assert torch.equal(nets.outputs(one, x), nets.outputs(one, x)), "without dropout"
    assert torch.equal(nets.outputs(one, x), one(x))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_weights_of_another_net_are_refused(kind):
    nets = saved_nets(ARCHITECTURES[kind])
    normed = nets.build(named_arm("batch_norm"), 0.0)
    with pytest.raises(RuntimeError):
        nets.load(nets.build(named_arm("dropout"), 0.5), nets.tensors(normed))
