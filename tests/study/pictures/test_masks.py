import pytest
import torch

from dropnorm.study.arms import named_arm
from dropnorm.study.design import NetPlan, Purpose, seed_keys
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.pictures.masks import SAMPLES, UNITS, draw_masks

DENSE = Architecture(features=3, hidden=(5, 40), outputs=2)
CONV = Architecture(features=16, hidden=(40,), outputs=2, image=(1, 4, 4), channels=(3,))


def bits(mask):
    return torch.tensor([[int(unit) for unit in row] for row in mask.rows], dtype=torch.bool)


@pytest.mark.parametrize("architecture", [DENSE, CONV], ids=["dense", "conv"])
def test_it_is_the_mask_that_the_first_step_of_training_uses(architecture):
    """Units that are dropped for a row get no gradient from it: with outputs' gradient in one row alone, theirs is zero."""
    (mask,) = draw_masks(named_arm("dropout", (0.5,)), architecture)
    nets = BatchedNets.initial([NetPlan(0, named_arm("dropout", (0.5,)), 0, 0.5)], architecture)
    keys = seed_keys([0], Purpose.MASKS, 0, torch.arange(1))[:, 0]
    # Every unit is on, so that what is zero was dropped.
    for name, value in nets.parameters.items():
        value.fill_(0.5) if "weight" in name else value.fill_(1.0)
    name = f"{architecture.dropping_layers}.linear.weight"
    for row in range(3):

        def of_outputs(outputs, row=row):
            gradient = torch.zeros_like(outputs)
            gradient[:, row] = 1.0
            return gradient

        x = torch.ones(1, SAMPLES, architecture.features)
        kept = nets.gradients(x, keys, of_outputs)[name][0, :UNITS, 0] > 0
        if architecture is CONV and not kept.any():
            continue  # all channels were dropped before
        assert torch.equal(kept, bits(mask)[row])


def test_a_higher_rate_drops_the_same_units_and_more():
    low, middle, high = draw_masks(named_arm("dropout", (0.5, 0.1, 0.3)), DENSE)
    assert [one.rate for one in (low, middle, high)] == [0.1, 0.3, 0.5]
    assert (bits(low) >= bits(middle)).all()
    assert (bits(middle) >= bits(high)).all()
    assert bits(low).sum() > bits(middle).sum() > bits(high).sum()


def test_narrow_layers_have_fewer_columns():
    narrow = Architecture(features=3, hidden=(40, 5), outputs=2)
    masks = draw_masks(named_arm("dropout+batch_norm", (0.5,)), narrow)
    assert bits(masks[0]).shape == (SAMPLES, 5)
    assert (masks[0].arm, masks[0].layer) == ("dropout+batch_norm", 1)
