"""Factories called: with what they ask for, under a key, and refused for what they give."""

import pytest
import torch
from torch import nn

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.modules.architecture import ModuleArchitecture, make_module
from dropnorm.study.modules.factory import factory_name


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def nothing():
    return small(4, 3)


def of_image(image, out_features, width=5):
    return nn.Sequential(nn.Flatten(), nn.Linear(image[0] * image[1] * image[2], width), nn.Linear(width, out_features))


def architecture_of(function, **given):
    return ModuleArchitecture(**{"factory": factory_name(function), "features": 4, "outputs": 3} | given)


def test_what_a_factory_asks_for_is_given():
    for architecture, widths in (
        (architecture_of(nothing), [4, 8, 3]),
        (architecture_of(small), [4, 8, 3]),
        (architecture_of(of_image, features=8, image=(2, 2, 2)), [8, 5, 3]),
    ):
        linears = [layer for layer in make_module(architecture, 0) if isinstance(layer, nn.Linear)]
        assert [linears[0].in_features, *(layer.out_features for layer in linears)] == widths


def test_the_key_decides_on_the_weights_and_torchs_generator_stays():
    before = torch.get_rng_state()
    one, same, other = (make_module(architecture_of(small), key)[0].weight for key in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("def net(features, outputs):\n    return 3", ArgumentTypeError, "gives int: expected a torch.nn.Module"),
        ("def net(width): pass", ArgumentError, "asks for 'width', which a study does not know"),
        (
            "def net():\n    return 1 / 0",
            ArgumentError,
            "written_nets_.*:net' fails. Expected a factory that works by itself",
        ),
    ],
)
def test_what_makes_no_module_is_refused(written, body, error, message):
    with pytest.raises(error, match=message):
        make_module(written(body), 0)


def test_a_sample_is_of_rows_or_images():
    assert architecture_of(small).sample().shape == (4, 4)
    assert architecture_of(of_image, features=8, image=(2, 3, 1)).sample().shape == (4, 2, 3, 1)
