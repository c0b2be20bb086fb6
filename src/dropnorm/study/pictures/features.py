"""What the first layer of a net has learned of images, unit by unit as an image."""

import base64
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm.study.design import NetPlan
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.pictures.records import FeatureTiles
from dropnorm.study.records import NetRecord

TILES = 36
LARGEST_SIDE = 32  # pixels
BRIGHTEST = 0.98  # so large a share of a unit's weights is told apart; beside a few extreme ones all would be grey


def feature_tiles(
    net: NetRecord, plan: NetPlan, weights: Mapping[str, Tensor], architecture: Architecture
) -> FeatureTiles | None:
    """What training has added to the weights of the first units; None if the data are no images that can be shown.

    Not the weights themselves: the initial ones are noise, and stay so at every pixel that tells nothing.
    Source:      Srivastava et al. 2014, "Dropout", JMLR 15, figure 7, of an autoencoder's first layer.
    """
    if architecture.image is None or architecture.image[0] not in (1, 3) or min(architecture.image[1:]) < 2:
        return None
    name = "0.conv.weight" if architecture.convolutions else "0.linear.weight"
    added = weights[name] - BatchedNets.initial([plan], architecture).parameters[name][0]
    images = added[:TILES] if architecture.convolutions else _as_images(added.T[:TILES], architecture)
    scale = images.abs().flatten(1).quantile(BRIGHTEST, dim=1).clamp_(min=1e-12)
    pixels = (128 + 127 * images / scale[:, None, None, None]).round().clamp(1, 255).to(torch.uint8)
    units, channels, height, width = pixels.shape
    return FeatureTiles(
        arm=net.arm,
        rate=net.rate,
        units=units,
        height=height,
        width=width,
        channels=channels,
        pixels=base64.b64encode(pixels.permute(0, 2, 3, 1).contiguous().numpy().tobytes()).decode(),
    )


def _as_images(weights: Tensor, architecture: Architecture) -> Tensor:
    """Weights (units, features) as images (units, channels, height, width), large ones scaled down by a whole factor."""
    assert architecture.image is not None
    channels, height, width = architecture.image
    if architecture.channels_last:
        images = weights.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    else:
        images = weights.reshape(-1, channels, height, width)
    factor = -(-max(height, width) // LARGEST_SIDE)
    return F.avg_pool2d(images, factor, ceil_mode=True) if factor > 1 else images
