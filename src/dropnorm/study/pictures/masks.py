"""The masks of a layer for a few samples, as training draws them."""

import torch

from dropnorm.random import keep_mask
from dropnorm.study.design import Purpose, seed_keys
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.pictures.records import MaskRows
from dropnorm.study.records import Arm

SAMPLES, UNITS = 12, 32


def draw_masks(arm: Arm, architecture: Architecture) -> tuple[MaskRows, ...]:
    """What the first step of seed 0 drops in the last hidden layer at each rate: of the same draws, the more the higher."""
    layer = architecture.dropping_layers - 1
    key = seed_keys([0], Purpose.MASKS, 0, torch.arange(1))[0, 0]
    units = min(UNITS, architecture.hidden[-1])
    rates = sorted(set(arm.dropout))
    masks = [keep_mask(key, torch.arange(SAMPLES), units, [rate], site=layer) for rate in rates]
    return tuple(
        MaskRows(
            arm=arm.name,
            layer=layer,
            rate=rate,
            rows=tuple("".join(str(int(unit)) for unit in sample) for sample in mask.tolist()),
        )
        for rate, mask in zip(rates, masks, strict=True)
    )
