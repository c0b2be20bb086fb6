import pytest
import torch
import torch.nn.functional as F

from dropnorm import ops
from dropnorm.study.nets import layers

KEYS = torch.tensor([5, -6])
RATES = [0.3, 0.7]


def test_a_convolution_is_that_of_each_net():
    x, weight, bias = torch.randn(4, 2 * 3, 6, 5), torch.randn(2, 7, 3, 3, 3), torch.randn(2, 7)
    for b in (bias, None):
        got = layers.convolution(x, weight, b).view(4, 2, 7, 6, 5)
        for net in range(2):
            alone = F.conv2d(x[:, 3 * net : 3 * net + 3], weight[net], None if b is None else b[net], padding=1)
            torch.testing.assert_close(got[:, net], alone, rtol=1e-5, atol=1e-5)


def test_rows_become_images_and_rows_again():
    pixels = torch.randn(2, 4, 3, 6, 5)
    images = layers.to_images(pixels.flatten(2), (3, 6, 5), False)
    assert torch.equal(images, torch.cat([pixels[0], pixels[1]], dim=1))
    last = pixels.permute(0, 1, 3, 4, 2).flatten(2)
    assert torch.equal(layers.to_images(last, (3, 6, 5), True), images)
    assert torch.equal(layers.to_rows(images, 2), pixels.flatten(2))


def test_the_values_of_a_channel_are_its_places_in_all_images():
    pixels = torch.randn(2, 4, 3, 6, 5)
    values = layers.to_values(torch.cat([pixels[0], pixels[1]], dim=1), 2)
    assert values.shape == (2, 120, 3)
    for channel in range(3):
        assert torch.equal(values[1, :, channel], pixels[1, :, channel].flatten())


def test_channels_are_dropped_by_the_mask_of_channel_wise_dropout():
    x = torch.randn(9, 2 * 3, 4, 4)
    got = layers.drop_channels(x, RATES, KEYS, site=3).view(9, 2, 3, 4, 4)
    for net in range(2):
        own = x.view(9, 2, 3, 4, 4)[:, net].contiguous()
        expected = ops.dropout(own, RATES[net], KEYS[net], site=3, channelwise=True)
        assert torch.equal(got[:, net], expected)
    assert layers.drop_channels(x, [0.0, 0.0], KEYS, site=3) is x


@pytest.mark.parametrize("size", [(5, 4), (1, 4)])
def test_an_image_that_cannot_be_halved_stays(size):
    x = torch.randn(2, 3, *size)
    assert torch.equal(layers.pool(x), x if 1 in size else F.max_pool2d(x, 2))
