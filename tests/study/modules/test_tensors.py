import pytest
import torch
from torch import nn

from dropnorm.study.modules.tensors import load_tensors, module_tensors, seeded, weighted_layers


def net():
    shared = nn.Linear(4, 4)
    return nn.Sequential(shared, nn.BatchNorm1d(4), nn.ReLU(), shared, nn.Linear(4, 3, bias=False))


def test_tensors_are_there_once_and_those_of_the_module():
    made = net()
    tensors = module_tensors(made)
    statistics = {f"1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert set(tensors) == {"0.weight", "0.bias", "1.weight", "1.bias", "4.weight", *statistics}
    tensors["0.bias"].fill_(7.0)
    assert (made[3].bias == 7.0).all()
    assert not any(tensor.requires_grad for tensor in tensors.values())


def test_tensors_are_written_into_another_net():
    one, other = net(), net()
    load_tensors(other, {name: tensor + 1 for name, tensor in module_tensors(one).items()})
    assert torch.equal(other[4].weight, one[4].weight + 1)
    assert int(other[1].num_batches_tracked) == 1
    with pytest.raises(RuntimeError, match="the tensors are those of another module"):
        load_tensors(other, {"0.weight": torch.ones(4, 4)})


def test_weighted_layers_are_in_the_nets_order_each_once():
    made = net()
    assert weighted_layers(made) == [made[0], made[4]]


def test_a_seed_holds_inside_and_leaves_the_generator_as_it_was():
    before = torch.get_rng_state()
    with seeded(5, "cpu"):
        one = torch.rand(3)
    with seeded(5 - 2**63, "cpu"):  # a key is any 64-bit number
        other = torch.rand(3)
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
