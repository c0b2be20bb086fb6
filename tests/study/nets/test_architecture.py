import numpy as np
import pytest
import torch

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.design import configure
from dropnorm.study.nets.architecture import Architecture, image_of, shape_nets


def test_widths_and_parameters_are_those_of_torchs_layers():
    shape = Architecture(features=5, hidden=(7, 3), outputs=2)
    assert shape.widths == (5, 7, 3, 2)
    layers = [torch.nn.Linear(5, 7), torch.nn.Linear(7, 3), torch.nn.Linear(3, 2)]
    assert shape.parameters == sum(parameter.numel() for layer in layers for parameter in layer.parameters())


def test_convolutions_count_too():
    shape = Architecture(features=60, hidden=(7,), outputs=2, image=(3, 5, 4), channels=(6, 8))
    assert shape.images == ((3, 5, 4), (6, 2, 2), (8, 1, 1))
    assert shape.widths == (8, 7, 2)
    assert shape.dropping_layers == 3
    assert shape.largest == 6 * 5 * 4
    layers = [torch.nn.Conv2d(3, 6, 3), torch.nn.Conv2d(6, 8, 3), torch.nn.Linear(8, 7), torch.nn.Linear(7, 2)]
    assert shape.parameters == sum(parameter.numel() for layer in layers for parameter in layer.parameters())


def test_an_image_that_cannot_be_halved_stays():
    shape = Architecture(features=6, hidden=(2,), outputs=2, image=(1, 1, 6), channels=(4,))
    assert shape.images == ((1, 1, 6), (4, 1, 6))


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((6, 5), ((1, 6, 5), False)),
        ((6, 5, 3), ((3, 6, 5), True)),
        ((3, 6, 5), ((3, 6, 5), False)),
        ((3, 6, 4), ((4, 3, 6), True)),
        ((7,), (None, False)),
        ((2, 3, 4, 5), (None, False)),
    ],
)
def test_which_array_is_an_image(shape, image):
    X = np.random.default_rng(0).normal(size=(40, *shape))
    assert image_of(load_dataset(X, np.arange(40) % 2).encoding) == image


def test_a_convolutional_net_needs_images(table, refuses):
    encoding = load_dataset(table, target="kind").encoding
    assert shape_nets(encoding, configure()).channels == ()
    message = (
        "net='conv' needs images: expected a folder of images, or one array (rows, height, width) or with channels, and no "
        "columns beside it. Use net='dense'."
    )
    with refuses(DataError, message):
        shape_nets(encoding, configure(net="conv"))


def test_a_convolutional_net_needs_channels(refuses):
    encoding = load_dataset("digits").encoding
    assert shape_nets(encoding, configure(net="conv")).convolutions == ((1, 16), (16, 32))
    message = (
        "channels=() leaves no convolution: expected at least one, such as 16. Leave channels out for the default."
    )
    with refuses(ArgumentError, message):
        configure(net="conv", channels=())
