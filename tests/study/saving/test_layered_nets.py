"""The study's own nets outside of it: one by one and together they compute what they did where they were trained."""

import numpy as np
import pytest
import torch

from dropnorm import nn
from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.arms import named_arm
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.saving import layered_nets
from dropnorm.study.saving.layered_nets import SavedLayeredNets, batched_tensors, build_net

SHAPE = Architecture(features=4, hidden=(10, 7), outputs=3)
IMAGES = {
    last: SHAPE.model_copy(update={"image": (1, 2, 2), "channels": (3, 5), "channels_last": last})
    for last in (False, True)
}
UNCHANGED = Standardization(np.zeros(4), np.ones(4))


def saved(arm, nets, shape=SHAPE) -> SavedLayeredNets:
    return SavedLayeredNets(shape, named_arm(arm), 0.3 if "dropout" in arm else 0.0, nets.tensors())


@pytest.mark.parametrize("arm", ARMS)
def test_each_net_computes_what_it_did_among_the_others(arm, made_nets):
    nets, x = made_nets(arm), torch.randn(3, 30, 4)
    # float32: batch norm is one scale and one shift there, and four steps here
    for own, net, expected in zip(x, saved(arm, nets).nets, nets.outputs(x), strict=True):
        torch.testing.assert_close(net(own), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_each_net_is_built_as_a_user_would(arm, made_nets):
    hidden = [torch.nn.Linear]
    hidden += [nn.BatchNorm1d] if "batch_norm" in arm else []
    hidden += [torch.nn.ReLU]
    hidden += [nn.Dropout] if "dropout" in arm else []
    for net in saved(arm, made_nets(arm)).nets:
        assert [type(module) for module in net] == [*hidden, *hidden, torch.nn.Linear]
        assert not any(module.training for module in net.modules())
        assert {module.p for module in net if isinstance(module, nn.Dropout)} == ({0.3} if "dropout" in arm else set())
        assert (net[0].bias is None) == ("batch_norm" in arm)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("arm", [*ARMS, "last_dropout+input_dropout"])
def test_each_convolutional_net_computes_what_it_did_among_the_others(arm, channels_last, made_nets):
    shape = IMAGES[channels_last]
    nets, x = made_nets(arm, shape), torch.randn(3, 30, 4)
    kept = saved(arm, nets, shape)
    for own, net, expected in zip(x, kept.nets, nets.outputs(x), strict=True):
        torch.testing.assert_close(net(own), expected, rtol=1e-5, atol=1e-5)
        drops = [type(module) for module in net if isinstance(module, torch.nn.modules.dropout._DropoutNd)]
        expected_drops = [nn.Dropout2d, nn.Dropout2d, nn.Dropout, nn.Dropout] if "dropout" in arm else []
        assert drops == ([nn.Dropout, nn.Dropout] if "last" in arm else expected_drops)
    assert kept.drops == ("dropout" in arm)


@pytest.mark.parametrize("rows", [0, 1, 5, 63])
@pytest.mark.parametrize(
    "shape",
    [
        SHAPE,
        *IMAGES.values(),
        *(SHAPE.model_copy(update={"activation": name}) for name in ACTIVATIONS if name != "relu"),
    ],
    ids=["dense", "images", "channels last", *(name for name in ACTIVATIONS if name != "relu")],
)
@pytest.mark.parametrize("arm", ["plain", "dropout+batch_norm"])
def test_together_the_nets_give_what_they_give_one_by_one(arm, shape, rows, made_nets, description_of, monkeypatch):
    monkeypatch.setattr(layered_nets, "_NUMBERS_AT_ONCE", 3 * shape.largest * 7)
    kept = saved(arm, made_nets(arm, shape), shape)
    features = np.random.default_rng(0).normal(size=(rows, 4))
    features[::3, 1] = np.nan
    features[:1, 0] = 1e99
    standardizations = [member.standardization for member in description_of(arm, shape).members]
    together = kept.outputs(features, standardizations)
    assert together.shape == (3, rows, 3)
    for outputs, net, standardization in zip(together, kept.nets, standardizations, strict=True):
        with torch.no_grad():
            expected = net(torch.from_numpy(standardization.apply(features)))
        torch.testing.assert_close(outputs[1:], expected[1:], rtol=1e-5, atol=1e-6)
        # Of an absurd value, cut at 10^6 deviations, sums of terms of 10^5 lose digits.
        torch.testing.assert_close(outputs[:1], expected[:1], rtol=1e-4, atol=1e-2)


def test_a_net_that_is_changed_changes_no_other_and_not_what_all_give(made_nets):
    kept, x = saved("plain", made_nets()), np.ones((2, 4))
    before = kept.outputs(x, [UNCHANGED] * 3)
    with torch.no_grad():
        kept.nets[0][0].weight.zero_()
    assert torch.equal(kept.outputs(x, [UNCHANGED] * 3), before)
    assert kept.nets is kept.nets


def test_making_nets_draws_no_random_numbers_until_they_are_asked_for(made_nets):
    state = torch.get_rng_state()
    saved("dropout+batch_norm", made_nets("dropout+batch_norm")).outputs(np.ones((2, 4)), [UNCHANGED] * 3)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("arm", ["plain", "batch_norm"])
@pytest.mark.parametrize("shape", [SHAPE, IMAGES[False]], ids=["dense", "images"])
def test_the_state_of_a_net_is_that_of_a_batch_of_one(arm, shape, made_nets):
    nets = made_nets(arm, shape)
    net = saved(arm, nets, shape).nets[2]
    got = batched_tensors(build_net(shape, named_arm(arm), 0.0), net.state_dict())
    assert got.keys() == nets.tensors().keys()
    assert all(torch.equal(got[name], tensor[2]) for name, tensor in nets.tensors().items())


def test_the_tensors_of_other_nets_are_refused(made_nets):
    for arm, tensors in (
        ("batch_norm", made_nets("plain").tensors()),
        ("plain", made_nets("plain", SHAPE.model_copy(update={"hidden": (10, 8)})).tensors()),
        ("plain", {name: tensor for name, tensor in made_nets().tensors().items() if name != "0.linear.bias"}),
    ):
        with pytest.raises(RuntimeError, match="those of other nets"):
            SavedLayeredNets(SHAPE, named_arm(arm), 0.0, tensors)
