"""Batch norm folded into the linear map before or behind it: the same function of the inputs, in inference."""

import copy
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
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
        >>> from dropnorm.surgery.modules.folding import fold_sequential
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
            folded[-1] = folded_before(folded[-1], layer)
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
def folded_before(layer: Any, norm: _BatchNorm) -> Any:
    """The linear layer or convolution with the batch norm behind it in it; the layer itself stays."""
    scale, shift = affine(norm)
    weight = layer.weight.double()
    if isinstance(layer, _ConvTransposeNd):
        # (in, out / groups, *): the groups are along the inputs.
        grouped = weight.unflatten(0, (layer.groups, -1))
        by_group = scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))
        weight = (grouped * by_group).flatten(0, 1)
    else:
        weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    bias = shift if layer.bias is None else shift + scale * layer.bias.double()
    return _with(layer, weight, bias)


@torch.no_grad()
def folded_behind(norm: _BatchNorm, layer: Any) -> Any:
    """The linear layer or convolution with the batch norm before it in it; exact if no zeros are padded in between."""
    scale, shift = affine(norm)
    weight = layer.weight.double()
    groups = layer.groups if isinstance(layer, _ConvNd) else 1
    # (out, in / groups, *): each group of outputs has inputs of its own.
    grouped = weight.unflatten(0, (groups, -1))
    trailing = (1,) * (weight.ndim - 2)
    added = (grouped * shift.reshape(groups, 1, -1, *trailing)).flatten(2).sum(2).flatten()
    scaled = (grouped * scale.reshape(groups, 1, -1, *trailing)).flatten(0, 1)
    return _with(layer, scaled, added if layer.bias is None else added + layer.bias.double())


def affine(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """What a batch norm does in inference: the scale and the shift of each channel, in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.double()


def _with(layer: Any, weight: Tensor, bias: Tensor) -> Any:
    folded = copy.copy(layer)
    # A copy's parameters are its own, in a dictionary of its own.
    folded._parameters = {"weight": _parameter(weight, layer.weight), "bias": _parameter(bias, layer.weight)}
    return folded


def _parameter(values: Tensor, like: Tensor) -> torch.nn.Parameter:
    # A weight keeps its memory format, such as channels last.
    new = torch.empty_like(like) if like.shape == values.shape else torch.empty_like(values, dtype=like.dtype)
    return torch.nn.Parameter(new.copy_(values), requires_grad=False)
