"""The layers of batched nets: weights have a leading dimension for the net, and so have activations."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm import ops
from dropnorm.study.nets.activations import Activation
from dropnorm.study.nets.architecture import KERNEL
from dropnorm.study.settings import ActivationName


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A matrix product per net.

    Shape:       x (nets, batch, inputs), weight (nets, inputs, outputs), bias (nets, outputs) -> (nets, batch, outputs)
    """
    return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution per net, as one of so many groups, which keeps the size of the image.

    Shape:       x (batch, nets * inputs, height, width), weight (nets, outputs, inputs, KERNEL, KERNEL), bias (nets, outputs)
                 -> (batch, nets * outputs, height, width)
    """
    nets = weight.shape[0]
    return F.conv2d(x, weight.flatten(0, 1), None if bias is None else bias.flatten(), padding=KERNEL // 2, groups=nets)


def pool(x: Tensor) -> Tensor:
    """The largest of each 2 x 2; an image that cannot be halved stays."""
    return F.max_pool2d(x, 2) if min(x.shape[-2:]) > 1 else x


def to_images(x: Tensor, image: Sequence[int], channels_last: bool) -> Tensor:
    """Rows (nets, batch, features) as images (batch, nets * channels, height, width)."""
    nets, batch, _ = x.shape
    channels, height, width = image
    if channels_last:
        x = x.view(nets, batch, height, width, channels).permute(1, 0, 4, 2, 3)
    else:
        x = x.view(nets, batch, channels, height, width).transpose(0, 1)
    return x.reshape(batch, nets * channels, height, width)


def to_rows(x: Tensor, nets: int) -> Tensor:
    """Images (batch, nets * channels, height, width) as rows (nets, batch, features)."""
    return x.reshape(x.shape[0], nets, -1).transpose(0, 1).contiguous()


def to_values(x: Tensor, nets: int) -> Tensor:
    """Images (batch, nets * channels, height, width) as each channel's values (nets, batch * height * width, channels)."""
    batch, _, height, width = x.shape
    return x.view(batch, nets, -1, height, width).permute(1, 0, 3, 4, 2).reshape(nets, batch * height * width, -1)


def drop_channels(x: Tensor, rates: Sequence[float], keys: Tensor, site: int) -> Tensor:
    """Channel-wise dropout of images (batch, nets * channels, height, width): one decision for a channel of a sample."""
    if not any(rates):
        return x
    nets, batch = len(rates), x.shape[0]
    ones = torch.ones(nets, batch, x.shape[1] // nets, device=x.device, dtype=x.dtype)
    factors = ops.dropout_(ones, rates, keys, site=site)
    return x * factors.transpose(0, 1).reshape(batch, -1, 1, 1)


def normalize_and_activate(
    z: Tensor, weight: Tensor, bias: Tensor, name: ActivationName, activation: Activation, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch norm of every net's channels by the batch, and the activation.

    Shape:       z (batch, nets * channels, height, width), weight and bias (nets, channels) -> like z, and mean and biased
                 variance (nets, channels)
    """
    flat = (weight.flatten(), bias.flatten())
    if activation.fused:
        none = torch.tensor(0)
        y, mean, var = ops.batch_norm_act_dropout(z, *flat, 0.0, none, activation=name, eps=eps)
    else:
        y, mean, var = ops.batch_norm(z, *flat, eps=eps)
        y = activation.function(y)
    return y, mean.view_as(weight), var.view_as(weight)
