"""The initial weights of a seed's nets, the same in every arm."""

from itertools import pairwise

import torch
from torch import Tensor

from dropnorm.study.design import seed_generator
from dropnorm.study.nets.architecture import KERNEL, Architecture


def initial_weights(key: Tensor, architecture: Architecture) -> dict[str, Tensor]:
    """Weights and biases by name: U(-1, 1) / sqrt(inputs of a unit), as torch.nn.Linear and torch.nn.Conv2d have them.

    All weights are drawn before all biases, so that nets with fewer biases share the weights.
    """
    generator = seed_generator(key)
    shapes: list[tuple[str, tuple[int, ...], int, int]] = [
        (f"{layer}.conv", (outputs, inputs, KERNEL, KERNEL), inputs * KERNEL**2, outputs)
        for layer, (inputs, outputs) in enumerate(architecture.convolutions)
    ]
    shapes += [
        (f"{layer}.linear", (inputs, outputs), inputs, outputs)
        for layer, (inputs, outputs) in enumerate(pairwise(architecture.widths), len(shapes))
    ]
    weights = {
        f"{name}.weight": torch.empty(shape).uniform_(-1, 1, generator=generator) / inputs**0.5
        for name, shape, inputs, _ in shapes
    }
    biases = {
        f"{name}.bias": torch.empty(outputs).uniform_(-1, 1, generator=generator) / inputs**0.5
        for name, _, inputs, outputs in shapes
    }
    return weights | biases
