import base64

import numpy as np
import pytest
import torch

from dropnorm.study.arms import named_arm
from dropnorm.study.design import NetPlan
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.pictures.features import BRIGHTEST, feature_tiles

PLAN = NetPlan(0, named_arm("dropout"), 0, 0.5)


def trained(architecture, added):
    """The weights of a net to whose first layer training has added something."""
    initial = {name: tensor[0] for name, tensor in BatchedNets.initial([PLAN], architecture).parameters.items()}
    first = next(iter(initial))
    return initial | {first: initial[first] + added}


def pixels_of(tiles):
    shape = (tiles.units, tiles.height, tiles.width, tiles.channels)
    return np.frombuffer(base64.b64decode(tiles.pixels), np.uint8).reshape(shape)


def tiles_of(architecture, added, make_net):
    return feature_tiles(make_net(0, "dropout", rate=0.5), PLAN, trained(architecture, added), architecture)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_a_unit_of_a_dense_net_is_the_image_of_what_was_added_to_its_weights(last, make_net):
    architecture = Architecture(features=60, hidden=(7,), outputs=2, image=(3, 4, 5), channels_last=last)
    images = torch.randn(7, 3, 4, 5)
    order = images.permute(0, 2, 3, 1) if last else images
    tiles = tiles_of(architecture, order.reshape(7, 60).T, make_net)
    assert (tiles.arm, tiles.rate, tiles.units) == ("dropout", 0.5, 7)
    scale = images.abs().flatten(1).quantile(BRIGHTEST, dim=1)[:, None, None, None]
    expected = (128 + 127 * images / scale).clamp(1, 255).permute(0, 2, 3, 1)
    # Weights lose a digit or two where the initial ones are added and taken away again.
    assert np.abs(pixels_of(tiles) - expected.numpy()).max() < 0.51


def test_a_channel_of_a_convolution_is_its_kernel(make_net):
    architecture = Architecture(features=16, hidden=(4,), outputs=2, image=(1, 4, 4), channels=(6,))
    kernels = torch.randn(6, 1, 3, 3)
    tiles = tiles_of(architecture, kernels, make_net)
    assert (tiles.units, tiles.height, tiles.width, tiles.channels) == (6, 3, 3, 1)
    signs = np.sign(pixels_of(tiles)[..., 0].astype(int) - 128)
    assert (signs * np.sign(kernels[:, 0].numpy()) >= 0).all()


def test_what_was_not_trained_is_grey_and_many_units_are_36(make_net):
    architecture = Architecture(features=16, hidden=(50,), outputs=2, image=(1, 4, 4))
    tiles = tiles_of(architecture, torch.zeros(16, 50), make_net)
    assert tiles.units == 36
    assert (pixels_of(tiles) == 128).all()


def test_large_images_are_scaled_down(make_net):
    architecture = Architecture(features=70 * 50, hidden=(2,), outputs=2, image=(1, 70, 50))
    added = torch.zeros(2, 70, 50)
    added[0, :35] = 1.0
    tiles = tiles_of(architecture, added.reshape(2, -1).T, make_net)
    assert (tiles.height, tiles.width) == (24, 17)
    image = pixels_of(tiles)[0, ..., 0]
    assert (image[:11] == 255).all()
    assert (image[13:] == 128).all()


@pytest.mark.parametrize("image", [None, (2, 4, 4), (4, 4, 4), (1, 1, 16)], ids=str)
def test_what_is_no_image_that_can_be_shown_has_no_tiles(image, make_net):
    features = 16 if image is None else int(np.prod(image))
    architecture = Architecture(features=features, hidden=(4,), outputs=2, image=image)
    assert tiles_of(architecture, torch.zeros(features, 4), make_net) is None
