"""Saved nets of every kind by one door, and those that an older dropnorm kept by their own names."""

import numpy as np
import pytest
import torch
from torch import nn

from dropnorm.study.arms import named_arm
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.saving.layered_nets import SavedLayeredNets
from dropnorm.study.saving.module_nets import SavedModuleNets
from dropnorm.study.saving.nets import saved_nets, tensors_of_single_net

IMAGE = {"image": (1, 2, 2), "channels_last": True}


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def of_images(outputs):
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(12, outputs))


KINDS = {
    "dense": Architecture(features=4, hidden=(8,), outputs=3),
    "images": Architecture(features=4, hidden=(8,), outputs=3, channels=(2,), **IMAGE),
    "module": (small, {}),
    "module of images": (of_images, IMAGE),
}


@pytest.fixture
def made(made_nets, looked_over, trained_modules):
    """A factory of an architecture of each kind, and of the tensors of three nets of an arm."""

    def make(kind, arm="plain"):
        if isinstance(KINDS[kind], Architecture):
            return KINDS[kind], made_nets(arm, KINDS[kind]).tensors()
        factory, given = KINDS[kind]
        architecture = looked_over(factory, **given)
        return architecture, trained_modules(architecture, arm)

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_nets_of_an_architecture_are_found(kind, made):
    architecture, tensors = made(kind)
    nets = saved_nets(architecture, named_arm("plain"), 0.0, tensors)
    assert isinstance(nets, SavedModuleNets if "module" in kind else SavedLayeredNets)
    assert len(nets.nets) == 3


@pytest.mark.parametrize("arm", ["plain", "batch_norm"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_single_net_of_an_older_dropnorm_is_a_batch_of_one(kind, arm, made):
    """It was written as the state of the net as a user has it."""
    (architecture, tensors), x = made(kind, arm), np.random.default_rng(0).normal(size=(5, 4))
    nets = saved_nets(architecture, named_arm(arm), 0.0, tensors)
    state = nets.nets[1].state_dict()
    single = saved_nets(
        architecture, named_arm(arm), 0.0, tensors_of_single_net(architecture, named_arm(arm), 0.0, state)
    )
    unchanged = Standardization(np.zeros(4), np.ones(4))
    assert torch.equal(single.outputs(x, [unchanged])[0], nets.outputs(x, [unchanged] * 3)[1])


def test_the_state_of_another_net_is_refused(made):
    architecture, tensors = made("dense")
    state = saved_nets(architecture, named_arm("plain"), 0.0, tensors).nets[0].state_dict()
    with pytest.raises(KeyError):
        tensors_of_single_net(architecture, named_arm("batch_norm"), 0.0, state)
