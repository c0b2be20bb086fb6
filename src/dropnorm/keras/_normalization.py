"""Statistics of a batch and normalization by them, in Keras's operations, so that every backend differentiates them."""

from typing import Any

import keras
from keras import ops

Tensor = Any


def batch_norm(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mask: Tensor | None,
    axis: int,
    epsilon: float,
    synchronized: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize by the batch's own statistics: y, in at least float32, and the mean and the biased variance."""
    x = accumulated(x)
    mean, variance = moments(x, mask, axis, synchronized)
    return normalize(x, mean, variance, gamma, beta, axis, epsilon), mean, variance


def accumulated(x: Tensor) -> Tensor:
    """Cast x, so that it has at least the digits of float32."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def moments(x: Tensor, mask: Tensor | None, axis: int, synchronized: bool) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over all axes but this, of the positions that the mask counts; of none they are zero.

    In two passes, so that a mean of 1e4 does not swallow a deviation of 1, and so that what rounding left of the mean is taken
    out of both (Chan, Golub & LeVeque 1983, equation 1.7).
    """
    axes = tuple(other for other in range(len(x.shape)) if other != axis % len(x.shape))
    if synchronized and mask is None:
        mean, variance = ops.moments(x, axes, synchronized=True)  # over all replicas
        return mean, variance
    if mask is None:
        rough = ops.stop_gradient(ops.mean(x, axis=axes))
        centered = x - along(x, rough, axis)
        residue = ops.mean(centered, axis=axes)
        square = ops.mean(ops.square(centered), axis=axes)
    else:
        counted = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), ops.shape(x))
        count = ops.maximum(ops.sum(ops.cast(counted, x.dtype), axis=axes), 1)
        rough = ops.stop_gradient(ops.sum(ops.where(counted, x, 0), axis=axes) / count)
        centered = ops.where(counted, x - along(x, rough, axis), 0)
        residue = ops.sum(centered / along(x, count, axis), axis=axes)
        square = ops.sum(ops.square(centered) / along(x, count, axis), axis=axes)
    return rough + residue, square - ops.square(residue)


def normalize(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    axis: int,
    epsilon: float,
) -> Tensor:
    """Take the mean off first: of x * factor - mean * factor a large mean leaves only what rounding did."""
    x = accumulated(x)
    factor = ops.rsqrt(ops.cast(variance, x.dtype) + epsilon)
    if gamma is not None:
        factor = factor * ops.cast(gamma, x.dtype)
    return scaled_and_shifted(x - along(x, mean, axis), factor, beta, axis)


def counts(variance: Tensor, mask: Tensor | None) -> Tensor | bool:
    """Whether a batch has finite statistics, and of at least one position.

    Where a mean is not finite, neither is the variance, as it is that of what is left when the mean is taken off.
    """
    finite = ops.all(ops.isfinite(variance))
    return finite if mask is None else finite & ops.any(ops.cast(mask, "bool"))


def between(new: Tensor, old: Tensor, momentum: float) -> Tensor:
    """A moving average's next value; momentum weighs the old one."""
    return old * momentum + new * (1.0 - momentum)


def scaled_and_shifted(x: Tensor, gamma: Tensor | None, beta: Tensor | None, axis: int) -> Tensor:
    """Return x * gamma + beta, of what there is, per feature."""
    if gamma is not None:
        x = x * along(x, gamma, axis)
    return x if beta is None else x + along(x, beta, axis)


def along(x: Tensor, values: Tensor, axis: int) -> Tensor:
    """One value per feature, of the type and shaped to broadcast against x."""
    values = ops.cast(values, x.dtype)
    following = (len(x.shape) - 1 - axis) % len(x.shape)
    return values if following == 0 else ops.reshape(values, (-1,) + (1,) * following)
