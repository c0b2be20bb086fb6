import pytest
import torch

from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.initialization import initial_weights

DENSE = Architecture(features=64, hidden=(512,), outputs=2)
CONVOLUTIONAL = Architecture(features=16 * 64, hidden=(2,), outputs=2, image=(16, 8, 8), channels=(96,))


@pytest.mark.parametrize(
    ("shape", "kind", "layer"),
    [(DENSE, "linear", torch.nn.Linear(64, 512)), (CONVOLUTIONAL, "conv", torch.nn.Conv2d(16, 96, 3))],
)
def test_the_distribution_is_that_of_torchs_layer(shape, kind, layer):
    """Five standard errors of a uniform's deviation: a false alarm below 6e-7, and the key is fixed."""
    initial = initial_weights(torch.tensor(3), shape)
    inputs = layer.weight[0].numel()
    bound = inputs**-0.5
    for name, _ in layer.named_parameters():
        ours = initial[f"0.{kind}.{name}"]
        assert ours.abs().max() <= bound
        deviation, error = bound / 3**0.5, bound * (4 / 45) ** 0.5 / (2 * (1 / 3) ** 0.5 * ours.numel() ** 0.5)
        assert abs(float(ours.square().mean().sqrt()) - deviation) < 5 * error


def test_a_key_gives_the_same_weights_every_time_and_another_key_others():
    first, again, other = (initial_weights(torch.tensor(key), CONVOLUTIONAL) for key in (3, 3, 4))
    assert first.keys() == other.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        assert not torch.equal(tensor, other[name])
