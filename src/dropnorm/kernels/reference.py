"""The operations in plain torch: readable, on any device, differentiable; the oracle of every other backend.

Layout:  x is (N, C, *spatial), or (groups, N, C, *spatial) when grouped: many nets at once, each with its own key, drop
         probability and statistics. Statistics and parameters are (C,), or (groups, C).
Sums:    accumulated in float32 for float32, bfloat16 and float16 inputs, in float64 for float64: a feature's sum over a
         large batch needs more digits than a 16-bit float has.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm.random import keep_mask

ACTIVATIONS = ("identity", "relu", "leaky_relu", "gelu", "silu")


def accumulation_dtype(x: Tensor) -> torch.dtype:
    """The type in which statistics of `x` are summed and returned."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def dropout(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:
    """Zero units with probability p and scale the others by 1 / (1 - p). The gradient is the same map of the gradient.

    x: (N, *), or (groups, N, *) if `key` is (groups,); p: one per key; rows: (N,) int64, by default 0 ... N - 1.
    """
    factors = [1.0 / (1.0 - value) if value < 1.0 else 0.0 for value in p]
    scale = torch.tensor(factors, dtype=accumulation_dtype(x), device=x.device)
    scaled = x * scale.reshape((*key.shape, *(1,) * (x.ndim - key.ndim)))
    # Filled and not multiplied: a dropped unit is zero, even if it was infinite. In place, so that the output has the
    # memory format of x and not the mask's.
    return scaled.masked_fill_(~_kept(x, p, key, site, rows, channelwise), 0.0).to(x.dtype)


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, eps: float, grouped: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize with the batch's own mean and biased variance; returns (y, mean, var).

    mask: bool (N, *spatial), the positions that count in the statistics; all positions are normalized.
    """
    mean, var = statistics(x, mask, grouped)
    _, z = normalize(x, mean, var, weight, bias, eps, grouped)
    return z.to(x.dtype), mean, var


def batch_norm_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias."""
    x_hat, _ = normalize(x, mean, var, None, None, eps, grouped)
    return normalize_backward(grad.to(x_hat.dtype), x, x_hat, weight, var, mask, eps, grouped)


def batch_norm_act_dropout(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    p: Sequence[float],
    key: Tensor,
    site: int,
    rows: Tensor | None,
    channelwise: bool,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """dropout(activation(batch_norm(x))); returns (y, mean, var)."""
    mean, var = statistics(x, mask, grouped)
    _, z = normalize(x, mean, var, weight, bias, eps, grouped)
    y = dropout(activate(z, activation, negative_slope), p, key, site, rows, channelwise)
    return y.to(x.dtype), mean, var


def batch_norm_act_dropout_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    p: Sequence[float],
    key: Tensor,
    site: int,
    rows: Tensor | None,
    channelwise: bool,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias; the normalized input and the mask are made again from x and the key."""
    x_hat, z = normalize(x, mean, var, weight, bias, eps, grouped)
    grad_act = dropout(grad.to(z.dtype), p, key, site, rows, channelwise)
    grad_z = grad_act * activation_derivative(z, activation, negative_slope)
    return normalize_backward(grad_z, x, x_hat, weight, var, mask, eps, grouped)


def activate(z: Tensor, activation: str, negative_slope: float) -> Tensor:
    """One of ACTIVATIONS, by name."""
    match activation:
        case "relu":
            return F.relu(z)
        case "leaky_relu":
            return F.leaky_relu(z, negative_slope)
        case "gelu":
            return F.gelu(z)
        case "silu":
            return F.silu(z)
        case _:
            return z


def activation_derivative(z: Tensor, activation: str, negative_slope: float) -> Tensor:
    """The derivative at z of one of ACTIVATIONS."""
    match activation:
        case "relu":
            return (z > 0).to(z.dtype)
        case "leaky_relu":
            return torch.where(z > 0, torch.ones_like(z), negative_slope)
        case "gelu":
            density = torch.exp(-0.5 * z.square()) / math.sqrt(2.0 * math.pi)
            cumulative: Tensor = torch.special.ndtr(z)
            return cumulative + z * density
        case "silu":
            sigmoid = torch.sigmoid(z)
            return sigmoid * (1.0 + z * (1.0 - sigmoid))
        case _:
            return torch.ones_like(z)


def _kept(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:
    """The mask of x, shaped to broadcast against it."""
    outer = key.ndim + 1
    sample = x.shape[outer:] if not channelwise else (*x.shape[outer : outer + 1], *(1,) * (x.ndim - outer - 1))
    count = x.shape[key.ndim] if x.ndim > key.ndim else 1
    rows = torch.arange(count, device=x.device) if rows is None else rows.reshape(count)
    key = key.to(x.device)
    # Groups that drop nothing need no random numbers: the plain nets of a study ride along for free.
    active = [index for index, value in enumerate(p) if value > 0.0]
    if len(active) == len(p):
        kept = keep_mask(key, rows, math.prod(sample), p, site)
    else:
        kept = torch.ones(*key.shape, count, math.prod(sample), dtype=torch.bool, device=x.device)
        if active:
            kept[active] = keep_mask(key[active], rows, math.prod(sample), [p[index] for index in active], site)
    return kept.reshape((*key.shape, *(() if x.ndim == key.ndim else (count,)), *sample))


def _per_channel(values: Tensor, x: Tensor, grouped: bool) -> Tensor:
    """(C,) or (groups, C), shaped to broadcast against x."""
    spatial = (1,) * (x.ndim - 2 - grouped)
    return values.reshape(*values.shape[:-1], *(1,) * grouped, values.shape[-1], *spatial)


def _reduced(x: Tensor, grouped: bool) -> list[int]:
    """The dimensions over which a channel's statistics are taken: all but the group and the channel."""
    return [int(grouped), *range(2 + grouped, x.ndim)]


def _weights(x: Tensor, mask: Tensor | None, grouped: bool) -> tuple[Tensor | None, Tensor | int]:
    """The mask shaped to broadcast against x, and how many values each channel's statistics have, at least one."""
    axes = _reduced(x, grouped)
    if mask is None:
        return None, max(1, math.prod(x.shape[axis] for axis in axes))
    counted = mask.unsqueeze(1 + grouped)
    return counted, counted.sum(axes).clamp(min=1)


def statistics(x: Tensor, mask: Tensor | None, grouped: bool) -> tuple[Tensor, Tensor]:
    """Mean and biased variance per channel, in two passes: a mean of 1e4 does not swallow a deviation of 1."""
    axes = _reduced(x, grouped)
    values = x.to(accumulation_dtype(x))
    counted, count = _weights(x, mask, grouped)
    if counted is not None:
        values = torch.where(counted, values, 0.0)
    mean = values.sum(axes) / count
    centered = values - _per_channel(mean, x, grouped)
    if counted is not None:
        centered = torch.where(counted, centered, 0.0)
    # What rounding left of the mean is taken out of both (Chan, Golub & LeVeque 1983, equation 1.7).
    residue = centered.sum(axes) / count
    return mean + residue, centered.square().sum(axes) / count - residue.square()


def normalize(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, grouped: bool
) -> tuple[Tensor, Tensor]:
    """The normalized input and its affine map, both in the accumulation type."""
    inverse_std = torch.rsqrt(var + eps)
    x_hat = (x.to(mean.dtype) - _per_channel(mean, x, grouped)) * _per_channel(inverse_std, x, grouped)
    z = x_hat if weight is None else x_hat * _per_channel(weight.to(mean.dtype), x, grouped)
    return x_hat, z if bias is None else z + _per_channel(bias.to(mean.dtype), x, grouped)


def normalize_backward(
    grad: Tensor,
    x: Tensor,
    x_hat: Tensor,
    weight: Tensor | None,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Ioffe & Szegedy 2015, section 3, gathered: the mean and the variance carry gradient only to what they counted."""
    axes = _reduced(x, grouped)
    counted, count = _weights(x, mask, grouped)
    grad_bias = grad.sum(axes)
    grad_weight = (grad * x_hat).sum(axes)
    through_mean, through_var = (_per_channel(value / count, x, grouped) for value in (grad_bias, grad_weight))
    through_statistics = x_hat * through_var + through_mean
    if counted is not None:
        through_statistics.masked_fill_(~counted, 0.0)
    slope = torch.rsqrt(var + eps) if weight is None else torch.rsqrt(var + eps) * weight.to(var.dtype)
    # In place, so that the gradient has the memory format of x, whatever that of grad.
    grad_x = through_statistics.sub_(grad).mul_(_per_channel(-slope, x, grouped))
    return grad_x.to(x.dtype), grad_weight, grad_bias
