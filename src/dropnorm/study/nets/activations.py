"""The activations that a study's nets may have: how a net of torch's own modules has them, and whether a kernel does."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm.study.settings import ActivationName


@dataclass(frozen=True)
class Activation:
    """An activation as a function and as a module; `fused`: batch norm, it and dropout are one operation.

    gradient: from the output's gradient and the input to the input's gradient.
    """

    function: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]
    module: Callable[[], torch.nn.Module]
    fused: bool


_aten = torch.ops.aten
ACTIVATIONS: dict[ActivationName, Activation] = {
    "relu": Activation(torch.relu, lambda grad, x: _aten.threshold_backward(grad, x, 0), torch.nn.ReLU, fused=True),
    "leaky_relu": Activation(
        F.leaky_relu, lambda grad, x: _aten.leaky_relu_backward(grad, x, 0.01, False), torch.nn.LeakyReLU, fused=True
    ),
    "gelu": Activation(F.gelu, _aten.gelu_backward, torch.nn.GELU, fused=True),
    "silu": Activation(F.silu, _aten.silu_backward, torch.nn.SiLU, fused=True),
    "tanh": Activation(
        torch.tanh, lambda grad, x: _aten.tanh_backward(grad, torch.tanh(x)), torch.nn.Tanh, fused=False
    ),
    "sigmoid": Activation(
        torch.sigmoid, lambda grad, x: _aten.sigmoid_backward(grad, torch.sigmoid(x)), torch.nn.Sigmoid, fused=False
    ),
}
