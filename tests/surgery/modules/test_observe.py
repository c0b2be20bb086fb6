import pytest
import torch
from torch import nn

from dropnorm.errors import SurgeryError
from dropnorm.surgery.modules.observe import observe, outputs


def test_calls_and_dimensions(models):
    seen = observe(models.Siamese(), torch.randn(3, 6))
    assert (seen.calls["encode.0"], seen.calls["mix"], seen.calls[""]) == (2, 1, 1)
    assert seen.dimensions["mix"] == {2}
    assert observe(models.Transformer(), torch.zeros(2, 3, dtype=torch.int64)).dimensions["mlp.0"] == {3}


def test_the_model_and_the_random_state_stay_as_they_were(models):
    net, state = models.Regularized(), torch.get_rng_state()
    observe(net, torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(state, torch.get_rng_state())
    assert net.training
    assert net.features[1].num_batches_tracked == 0
    assert not net.features[0]._forward_pre_hooks


def test_one_sample_is_enough_where_training_needs_two():
    assert observe(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), torch.randn(1, 2)).calls["1"] == 1


class Two(nn.Module):
    def forward(self, a, b):
        return a - b


def test_samples_of_several_arguments():
    a, b = torch.ones(2), torch.zeros(2)
    for sample in ((a, b), [a, b], {"b": b, "a": a}):
        assert torch.equal(outputs(Two(), sample), a)


@pytest.mark.parametrize(
    ("sample", "described", "reason"),
    [
        (
            torch.randn(2, 3),
            "a tensor of shape (2, 3)",
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 6x8)",
        ),
        ("x", "a str", "TypeError: linear(): argument 'input' (position 1) must be Tensor, not str"),
    ],
)
def test_a_sample_that_does_not_fit(models, refuses, sample, described, reason):
    with refuses(
        SurgeryError,
        f"sample={described} cannot be given to Sequential ({reason}): expected what its forward takes: a tensor, a tuple of "
        f"its arguments or a dictionary of its named ones.",
    ):
        observe(models.mlp(), sample)
