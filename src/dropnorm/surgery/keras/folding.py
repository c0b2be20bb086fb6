"""Batch norm folded into the linear map before or behind it, in Keras's shapes: the same function of the inputs, in inference.

Weights are taken and given as float64 arrays by the names of the layer's attributes, so that they are rounded once.
"""

from typing import Any

import keras
import numpy as np

from dropnorm.surgery.keras.operations import DENSE, DEPTHWISE, SEPARABLE, TRANSPOSED

Weights = dict[str, np.ndarray]


def weights_of(layer: Any) -> Weights:
    """A linear layer's kernels and its bias, if it has one."""
    names = ("depthwise_kernel", "pointwise_kernel") if isinstance(layer, SEPARABLE) else ("kernel",)
    return {name: _array(getattr(layer, name)) for name in (*names, "bias") if getattr(layer, name) is not None}


def affine(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a batch norm does in inference: the scale and the shift of each feature."""
    scale = 1 / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
    if norm.gamma is not None:
        scale = scale * _array(norm.gamma)
    shift = -_array(norm.moving_mean) * scale
    return scale, shift if norm.beta is None else shift + _array(norm.beta)


def folded_before(layer: Any, weights: Weights, norm: Any) -> Weights:
    """The weights of the layer with the batch norm behind it in them.

    Shape:       kernels are (in, out) in Dense, (*, in / groups, out) in Conv, (*, out, in) in ConvTranspose and
                 (*, in, multiplier) in DepthwiseConv; SeparableConv has one of those, and a pointwise (*, in multiplier, out).
    """
    scale, shift = affine(norm)
    name = "pointwise_kernel" if isinstance(layer, SEPARABLE) else "kernel"
    kernel = weights[name]
    if isinstance(layer, TRANSPOSED):
        kernel = kernel * scale[:, None]
    elif isinstance(layer, DEPTHWISE):
        kernel = kernel * scale.reshape(kernel.shape[-2:])
    else:
        kernel = kernel * scale
    bias = shift + scale * weights["bias"] if "bias" in weights else shift
    return weights | {name: kernel, "bias": bias}


def folded_behind(norm: Any, layer: Any, weights: Weights) -> Weights:
    """The weights of the layer with the batch norm before it in them; exact if no zeros are padded in between."""
    scale, shift = affine(norm)
    if isinstance(layer, DEPTHWISE):
        kernel = weights["kernel"]
        made, added = {"kernel": kernel * scale[:, None]}, _over_positions(kernel * shift[:, None]).reshape(-1)
    elif isinstance(layer, SEPARABLE):
        first, second = weights["depthwise_kernel"], weights["pointwise_kernel"]
        made = {"depthwise_kernel": first * scale[:, None]}
        added = _over_positions(first * shift[:, None]).reshape(-1) @ _over_positions(second)
    else:
        kernel = weights["kernel"]
        groups = 1 if isinstance(layer, DENSE) else layer.groups
        # Each group of outputs has inputs of its own.
        by_group = (*kernel.shape[:-1], groups, kernel.shape[-1] // groups)
        along = [each.reshape(groups, -1).T[..., None] for each in (scale, shift)]
        grouped = kernel.reshape(by_group)
        made = {"kernel": (grouped * along[0]).reshape(kernel.shape)}
        added = (_over_positions(grouped * along[1], keep=3)).sum(0).reshape(-1)
    return weights | made | {"bias": added + weights["bias"] if "bias" in weights else added}


def _over_positions(kernel: np.ndarray, keep: int = 2) -> np.ndarray:
    """The sum over all but the last axes."""
    total: np.ndarray = kernel.sum(axis=tuple(range(kernel.ndim - keep)))
    return total


def _array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable)).astype("float64")
