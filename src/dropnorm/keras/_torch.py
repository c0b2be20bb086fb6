"""Keras on torch: the operations of `dropnorm.ops`, hence the native kernels."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from dropnorm import ops, random
from dropnorm.errors import RecomputationError
from dropnorm.keras import _normalization
from dropnorm.keras._normalization import normalize

__all__ = [
    "ACTIVATIONS",
    "batch_norm",
    "batch_norm_act_dropout",
    "between",
    "counts",
    "dropout",
    "masked",
    "normalize",
    "snapshot",
]

# Keras's functions as the kernel calls them; by default, Keras's leaky_relu has the slope 0.2 and its gelu is exact.
ACTIVATIONS = {
    keras.activations.linear: "identity",
    keras.activations.relu: "relu",
    keras.activations.leaky_relu: "leaky_relu",
    keras.activations.gelu: "gelu",
    keras.activations.silu: "silu",
}
_NEGATIVE_SLOPE = 0.2

Noise = tuple[int | None, ...] | None


def dropout(x: Tensor, rate: float, generator: keras.random.SeedGenerator, noise: Noise) -> Tensor:
    """Drop units of x; see `_backend`."""
    return torch.empty_like(x) if x.is_meta else _dropped(x, rate, _next_key(generator), noise)


def masked(x: Tensor, rate: float, key: int, site: int, rows: np.ndarray, noise: Noise) -> Tensor:
    """Drop units of x by a mask of this key and site; see `_backend`."""
    numbers = torch.from_numpy(rows).to(x.device)
    return _dropped(x, rate, torch.tensor(key, dtype=torch.int64, device="cpu"), noise, site, numbers)


def _dropped(x: Tensor, rate: float, key: Tensor, noise: Noise, site: int = 0, rows: Tensor | None = None) -> Tensor:
    drop = partial(ops.dropout, p=rate, key=key, site=site, rows=rows)
    if noise is None or set(noise) <= {None}:
        return drop(x)
    if x.ndim > 2 and noise == (None, None, *(1,) * (x.ndim - 2)):
        return drop(x, channelwise=True)
    if x.ndim > 2 and noise == (None, *(1,) * (x.ndim - 2), None):
        return drop(x.movedim(-1, 1), channelwise=True).movedim(1, -1)
    shape = [size if length is None else length for length, size in zip(noise, x.shape, strict=True)]
    factors = drop(torch.ones(shape, dtype=x.dtype, device=x.device))
    # Not multiplied where dropped: a dropped unit is zero, even if it was infinite.
    return torch.where(factors == 0, 0.0, x * factors)


def _next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """The seed, then how often it was used, as the low and the high half of 64 bits; `generator.next()` in half its time."""
    words: Tensor = generator.state.value
    key: Tensor = torch.ops.dropnorm.seed_key(words) if torch.compiler.is_compiling() else _seed_key(words)
    generator.state.assign((key + 2**32).view(torch.int32))
    return key.reshape(())


def _seed_key(words: Tensor) -> Tensor:
    if torch._C._current_graph_task_id() != -1:
        raise RecomputationError(
            "A dropout of dropnorm.keras is called by a backward pass, as activation checkpointing does (keras.RematScope, "
            "keras.remat, torch.utils.checkpoint): its seed has moved on since the forward pass, so that it would drop other "
            "units. Leave it out of what is computed again: it keeps its input at most."
        )
    return words.view(torch.int64).clone()


# Computed from the state by operations that the compiler knows, a key would be computed anew in the backward pass.
random.register_made_once("seed_key", _seed_key, lambda words: words.new_empty(1, dtype=torch.int64))


def batch_norm(
    x: Tensor,
    gamma: keras.Variable | None,
    beta: keras.Variable | None,
    mask: Tensor | None,
    axis: int,
    epsilon: float,
    synchronized: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize by the batch's own statistics; see `_normalization`."""
    axis = axis % x.ndim
    # A mask has all dimensions but the last, so that it is one of positions only where the features are last.
    if x.is_meta or x.ndim < 2 or (mask is not None and axis != x.ndim - 1):
        return _normalization.batch_norm(x, gamma, beta, mask, axis, epsilon, synchronized)
    weight, bias = (None if variable is None else variable.value for variable in (gamma, beta))
    counted = None if mask is None else mask.bool()
    if axis == 1:
        return ops.batch_norm(x, weight, bias, mask=counted, eps=epsilon)
    y, mean, variance = ops.batch_norm(x.movedim(axis, 1), weight, bias, mask=counted, eps=epsilon)
    return y.movedim(1, axis), mean, variance


def batch_norm_act_dropout(
    x: Tensor,
    gamma: keras.Variable | None,
    beta: keras.Variable | None,
    mask: Tensor | None,
    axis: int,
    epsilon: float,
    activation: Callable[..., Any],
    rate: float,
    generator: keras.random.SeedGenerator | None,
    channelwise: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize by the batch's own statistics, activate and drop; without a generator nobody is dropped."""
    weight, bias = (None if variable is None else variable.value for variable in (gamma, beta))
    key = torch.zeros((), dtype=torch.int64) if generator is None else _next_key(generator)
    y, mean, variance = ops.batch_norm_act_dropout(
        x.movedim(axis, 1),
        weight,
        bias,
        rate,
        key,
        activation=ACTIVATIONS[activation],
        negative_slope=_NEGATIVE_SLOPE,
        mask=None if mask is None else mask.bool(),
        eps=epsilon,
        channelwise=channelwise,
    )
    return y.movedim(1, axis), mean, variance


def snapshot(variable: keras.Variable) -> Tensor:
    """A variable's value for a backward pass that may come after it has been moved; see `dropnorm.random.snapshot`."""
    value: Tensor = variable.value
    # What is exported is for inference, and has operations that others know.
    return value if torch.compiler.is_exporting() else random.snapshot(value)


def counts(variance: Tensor, mask: Tensor | None) -> Tensor | bool:
    """Whether a batch counts; see `_normalization`. Known at once where nobody has to wait for a device or a compiler."""
    if not variance.is_cpu or torch.compiler.is_compiling():
        return _normalization.counts(variance, mask)
    # A finite sum has finite terms, which is nearly always all there is to find out.
    finite = math.isfinite(variance.sum().item()) or bool(variance.isfinite().all())
    return finite and (mask is None or bool(mask.any()))


def between(new: Tensor, old: Tensor, momentum: float) -> Tensor:
    """A moving average's next value; see `_normalization`."""
    return torch.lerp(new, old, momentum)
