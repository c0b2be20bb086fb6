"""Batch norm folded into the linear map before it, and dropout gone: the same function of the inputs, in inference."""

import copy
from typing import TypeGuard

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from dropnorm.nn import BatchNormActDropout1d, BatchNormActDropout2d

Foldable = torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d


def fold_sequential(net: torch.nn.Sequential) -> torch.nn.Sequential:
    """The layers that a trained net needs in inference; those that change are new, and the given net stays as it was.

    Equation:    of z = W x + b and y = weight (z - mean) / sqrt(var + eps) + bias, with s = weight / sqrt(var + eps):
                 y = (s W) x + s (b - mean) + bias
    Shape:       a Linear's input is (N, features), and a convolution's (N, channels, *)
    Numerics:    folded in float64, rounded once to the layer's own type.
    Example:
        >>> import torch
        >>> from dropnorm.surgery.fold import fold_sequential
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout())
        >>> fold_sequential(net)
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): ReLU()
        )
    """
    folded: list[torch.nn.Module] = []
    for layer in _flattened(net):
        if isinstance(layer, _DropoutNd | torch.nn.Identity):
            continue
        if folded and isinstance(folded[-1], Foldable) and _is_foldable(layer):
            folded[-1] = _fold(folded[-1], layer)
        else:
            folded.append(layer)
    return torch.nn.Sequential(*folded).eval()


def _is_foldable(layer: torch.nn.Module) -> TypeGuard[_BatchNorm]:
    """Whether it is a batch norm, alone and by its running statistics."""
    fused = isinstance(layer, BatchNormActDropout1d | BatchNormActDropout2d)
    return isinstance(layer, _BatchNorm) and layer.running_mean is not None and not fused


def _flattened(net: torch.nn.Sequential) -> list[torch.nn.Module]:
    layers: list[torch.nn.Module] = []
    for layer in net:
        # One with a forward of its own is more than its layers one after the other.
        if isinstance(layer, torch.nn.Sequential) and type(layer).forward is torch.nn.Sequential.forward:
            layers += _flattened(layer)
        else:
            layers.append(layer)
    return layers


@torch.no_grad()
def _fold(layer: Foldable, norm: _BatchNorm) -> Foldable:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    shift = -norm.running_mean.double()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    if layer.bias is not None:
        shift = shift + layer.bias.double()
    bias = shift * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    folded = copy.copy(layer)
    # A copy's parameters are its own, in a dictionary of its own.
    folded._parameters = {
        "weight": _parameter(layer.weight.double() * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1)), layer.weight),
        "bias": _parameter(bias, layer.weight),
    }
    return folded


def _parameter(values: Tensor, like: Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(values.to(like.dtype), requires_grad=False)
