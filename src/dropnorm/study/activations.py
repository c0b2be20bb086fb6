"""The activations that a study's nets may have: how a net of torch's own modules has them, and whether a kernel does."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm.study.records import ActivationName


@dataclass(frozen=True)
class Activation:
    """An activation as a function and as a module; `fused`: batch norm, it and dropout are one operation."""

    function: Callable[[Tensor], Tensor]
    module: Callable[[], torch.nn.Module]
    fused: bool


ACTIVATIONS: dict[ActivationName, Activation] = {
    "relu": Activation(torch.relu, torch.nn.ReLU, fused=True),
    "leaky_relu": Activation(F.leaky_relu, torch.nn.LeakyReLU, fused=True),
    "gelu": Activation(F.gelu, torch.nn.GELU, fused=True),
    "silu": Activation(F.silu, torch.nn.SiLU, fused=True),
    "tanh": Activation(torch.tanh, torch.nn.Tanh, fused=False),
    "sigmoid": Activation(torch.sigmoid, torch.nn.Sigmoid, fused=False),
}
