"""The modules of a user's own factory outside of their study."""

import numpy as np
import pytest
import torch
from torch import nn

from dropnorm.errors import RunError
from dropnorm.study.arms import named_arm
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.modules.arms import module_of_arm
from dropnorm.study.saving.module_nets import SavedModuleNets


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def of_images(outputs):
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(12, outputs))


STANDARDIZATIONS = [Standardization(np.full(4, place), np.full(4, 1.0 + place)) for place in range(3)]


@pytest.mark.parametrize(
    ("factory", "given"),
    [(small, {}), (of_images, {"image": (1, 2, 2)}), (of_images, {"image": (1, 2, 2), "channels_last": True})],
    ids=["rows", "images", "channels last"],
)
def test_modules_get_their_weights_and_are_called_on_their_own_scale(factory, given, looked_over, trained_modules):
    architecture = looked_over(factory, **given)
    tensors = trained_modules(architecture, "plain")
    kept = SavedModuleNets(architecture, named_arm("plain"), 0.0, tensors)
    features = np.random.default_rng(0).normal(size=(5, 4))
    outputs = kept.outputs(features, STANDARDIZATIONS)
    assert outputs.shape == (3, 5, 3)
    for place, net in enumerate(kept.nets):
        x = torch.from_numpy(STANDARDIZATIONS[place].apply(features))
        assert torch.equal(outputs[place], net(x))
        images = x if "image" not in given else x.reshape(5, 1, 2, 2)
        module = module_of_arm(architecture, named_arm("plain"), 0.0, place).eval()
        assert torch.equal(outputs[place], module(images))
        assert not net.training


def test_a_module_that_is_changed_does_not_change_what_all_give(looked_over, trained_modules):
    architecture = looked_over(small)
    kept = SavedModuleNets(architecture, named_arm("plain"), 0.0, trained_modules(architecture, "plain"))
    before = kept.outputs(np.ones((2, 4)), STANDARDIZATIONS)
    with torch.no_grad():
        for parameter in kept.nets[0].parameters():
            parameter.zero_()
    assert torch.equal(kept.outputs(np.ones((2, 4)), STANDARDIZATIONS), before)


def test_modules_without_rows_give_no_outputs(looked_over, trained_modules):
    architecture = looked_over(small)
    kept = SavedModuleNets(architecture, named_arm("plain"), 0.0, trained_modules(architecture, "plain"))
    assert kept.outputs(np.empty((0, 4)), STANDARDIZATIONS).shape == (3, 0, 3)


def test_dropout_is_there_and_off(looked_over, trained_modules):
    architecture = looked_over(small)
    kept = SavedModuleNets(architecture, named_arm("dropout"), 0.5, trained_modules(architecture, "dropout", 0.5))
    features = np.ones((5, 4))
    assert kept.drops
    assert torch.equal(kept.outputs(features, STANDARDIZATIONS), kept.outputs(features, STANDARDIZATIONS))
    assert not SavedModuleNets(architecture, named_arm("plain"), 0.0, trained_modules(architecture, "plain")).drops


def test_the_weights_of_other_modules_are_refused(looked_over, trained_modules):
    architecture = looked_over(small)
    with pytest.raises(RuntimeError, match="those of another module"):
        SavedModuleNets(architecture, named_arm("dropout"), 0.5, trained_modules(architecture, "batch_norm"))


def test_a_factory_that_makes_other_nets_than_it_did_is_refused(looked_over, trained_modules):
    architecture = looked_over(small).model_copy(update={"fingerprint": "another"})
    with pytest.raises(RunError, match="makes another net than the one that was studied"):
        SavedModuleNets(architecture, named_arm("plain"), 0.0, trained_modules(architecture, "plain"))
