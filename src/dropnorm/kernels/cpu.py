"""The CPU backend: launches the C++ kernels in `cpu/`, one source compiled for several instruction sets.

They work in the memory order that a tensor has, channels first or channels last; only a tensor that is neither is copied. Where
they were not built, and for an empty tensor, the reference runs.
"""

import functools
import math
import os
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

# torch must be there first: the kernels take their threads from the OpenMP runtime that it loads.
import torch
from torch import Tensor

from dropnorm._validate import choice
from dropnorm.errors import ArgumentError
from dropnorm.kernels import reference
from dropnorm.random import checked_site

REFERENCE = "reference"
INSTRUCTION_SETS = ("avx512", "avx2", "portable")
_DTYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
_ACTIVATIONS = {name: number for number, name in enumerate(reference.ACTIVATIONS)}


@functools.cache
def _native() -> ModuleType | None:
    """The compiled module, or None with a warning, which the cache makes the only one."""
    try:
        from dropnorm.kernels import _cpu
    except ImportError:
        warnings.warn(
            "dropnorm was installed without its C++ kernels and runs on the reference kernels: the same masks, slower. "
            "To get the fast ones, install a C++17 compiler and then dropnorm again: pip install --force-reinstall "
            "--no-deps dropnorm.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return _cpu


def available() -> tuple[str, ...]:
    """What this processor can run, the fastest first; the reference is always there."""
    native = _native()
    return (*(native.instruction_sets() if native else ()), REFERENCE)


@functools.cache
def instruction_set() -> str:
    """What runs: the fastest there is, or what the environment variable DROPNORM_CPU forces, read at first use.

    Raises:      ArgumentError if DROPNORM_CPU is unknown, or not to be had on this processor.
    """
    wanted = os.environ.get("DROPNORM_CPU") or None
    if wanted == REFERENCE:
        return REFERENCE
    if wanted is None:
        wanted = available()[0]
    choice(wanted, "DROPNORM_CPU", (*INSTRUCTION_SETS, REFERENCE))
    if wanted not in available():
        raise ArgumentError(
            f"DROPNORM_CPU={wanted!r} is not to be had here: expected one of {', '.join(map(repr, available()))}."
        )
    native = _native()
    if native is not None and wanted != REFERENCE:
        native.choose(wanted)
    return wanted


def _chosen() -> ModuleType:
    """The compiled module, which runs on the instruction set that was chosen."""
    instruction_set()
    native = _native()
    assert native is not None
    return native


def dropout(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:
    """Drop as the reference does, to the bit."""
    if not _native_takes(x) or x.ndim == key.ndim:
        return reference.dropout(x, p, key, site, rows, channelwise)
    ordered = _in_order(x, key.ndim)
    y = launch_dropout(ordered, torch.empty_like(ordered), p, key, site, rows, channelwise)
    return y if ordered is x else _like(x, y)


def works_in_place(x: Tensor, groups: int) -> bool:
    """Whether `dropout_` takes x, of which the first `groups` dimensions (none or one) are groups."""
    return _native_takes(x) and x.ndim > groups and _in_order(x, groups) is x


def dropout_(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:
    """The same in x itself, which `works_in_place` must have found to be possible."""
    return launch_dropout(x, x, p, key, site, rows, channelwise)


def launch_dropout(
    x: Tensor, y: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool
) -> Tensor:
    """Run the native kernel from x into y, of one memory order; y may be x."""
    samples, channels, positions, channels_last = _layout(x, key.ndim)
    if not channels_last and not channelwise:
        channels, positions = channels * positions, 1
    # These names hold what may be a copy for as long as the kernel reads it.
    key, rows = key.contiguous(), rows if rows is None else rows.contiguous()
    _chosen().dropout(
        x.data_ptr(),
        y.data_ptr(),
        _DTYPES[x.dtype],
        samples,
        channels,
        positions,
        channels_last,
        p,
        key.data_ptr(),
        checked_site(site),
        0 if rows is None else rows.data_ptr(),
        channelwise,
        torch.get_num_threads(),
    )
    return y


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, eps: float, grouped: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The reference's batch norm: (y, mean, var)."""
    if not _native_takes(x):
        return reference.batch_norm(x, weight, bias, mask, eps, grouped)
    return _forward(x, weight, bias, mask, eps, "identity", 0.0, *_no_dropout(x, grouped))


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
    if not _native_takes(x):
        return reference.batch_norm_backward(grad, x, weight, mean, var, mask, eps, grouped)
    return _backward(grad, x, weight, None, mean, var, mask, eps, "identity", 0.0, *_no_dropout(x, grouped))


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
    """The reference's fused operation: (y, mean, var)."""
    if not _native_takes(x):
        return reference.batch_norm_act_dropout(
            x, weight, bias, mask, eps, activation, negative_slope, p, key, site, rows, channelwise, grouped
        )
    return _forward(x, weight, bias, mask, eps, activation, negative_slope, p, key, site, rows, channelwise)


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
    """The gradients of x, weight and bias; the normalized input and the mask are made again."""
    if not _native_takes(x):
        return reference.batch_norm_act_dropout_backward(
            grad,
            x,
            weight,
            bias,
            mean,
            var,
            mask,
            eps,
            activation,
            negative_slope,
            p,
            key,
            site,
            rows,
            channelwise,
            grouped,
        )
    return _backward(
        grad, x, weight, bias, mean, var, mask, eps, activation, negative_slope, p, key, site, rows, channelwise
    )


@functools.cache
def _no_key(groups: int | None) -> Tensor:
    return torch.zeros(() if groups is None else (groups,), dtype=torch.int64, device="cpu")


def _no_dropout(x: Tensor, grouped: bool) -> tuple[list[float], Tensor, int, None, bool]:
    """p, key, site, rows and channelwise of an operation that drops nothing."""
    if grouped:
        return [0.0] * x.shape[0], _no_key(x.shape[0]), 0, None, False
    return [0.0], _no_key(None), 0, None, False


def _forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, eps: float, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    key: Tensor = rest[3]
    ordered = _in_order(x, key.ndim)
    y = torch.empty_like(ordered)
    dtype = reference.accumulation_dtype(x)
    if weight is not None and weight.dtype == dtype and weight.is_contiguous():
        mean, var = torch.empty_like(weight), torch.empty_like(weight)  # the fastest way to have two such tensors
    else:
        shape = (*x.shape[: key.ndim], x.shape[key.ndim + 1])
        mean, var = torch.empty(shape, dtype=dtype, device="cpu"), torch.empty(shape, dtype=dtype, device="cpu")
    launch_batch_norm(False, ordered, None, y, weight, bias, mean, var, None, None, mask, eps, *rest)
    return (y if ordered is x else _like(x, y)), mean, var


def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    *rest: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    key: Tensor = rest[3]
    ordered = _in_order(x, key.ndim)
    if grad.dtype != x.dtype or grad.stride() != ordered.stride():
        grad = torch.empty_like(ordered).copy_(grad)
    mean, var = mean.contiguous(), var.contiguous()
    grad_x, grad_weight, grad_bias = torch.empty_like(ordered), torch.empty_like(mean), torch.empty_like(mean)
    launch_batch_norm(True, ordered, grad, grad_x, weight, bias, mean, var, grad_weight, grad_bias, mask, eps, *rest)
    return (grad_x if ordered is x else _like(x, grad_x)), grad_weight, grad_bias


def launch_batch_norm(
    backward: bool,
    x: Tensor,
    grad: Tensor | None,
    y: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    grad_weight: Tensor | None,
    grad_bias: Tensor | None,
    mask: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    p: Sequence[float],
    key: Tensor,
    site: int,
    rows: Tensor | None,
    channelwise: bool,
) -> None:
    """Run the native kernel into y, the output or the gradient of x; x, grad and y have one memory order."""
    samples, channels, positions, channels_last = _layout(x, key.ndim)
    # These names hold what may be a copy for as long as the kernel reads it.
    weight, bias = _parameter(weight, mean.dtype), _parameter(bias, mean.dtype)
    mask, rows = mask if mask is None else mask.contiguous(), rows if rows is None else rows.contiguous()
    key = key.contiguous()
    _chosen().batch_norm(
        backward,
        x.data_ptr(),
        _address(grad),
        y.data_ptr(),
        _DTYPES[x.dtype],
        samples,
        channels,
        positions,
        channels_last,
        _address(weight),
        _address(bias),
        mean.data_ptr(),
        var.data_ptr(),
        _address(grad_weight),
        _address(grad_bias),
        _address(mask),
        eps,
        _ACTIVATIONS[activation],
        negative_slope,
        p,
        key.data_ptr(),
        checked_site(site),
        _address(rows),
        channelwise,
        torch.get_num_threads(),
    )


def moves_running(running_mean: Tensor, running_var: Tensor, mean: Tensor) -> bool:
    """Whether `move_running` takes these: buffers are the user's to replace, and the kernel sees only addresses."""
    return instruction_set() != REFERENCE and all(
        running.dtype == mean.dtype and running.shape == mean.shape and running.is_contiguous()
        for running in (running_mean, running_var)
    )


def move_running(
    running_mean: Tensor,
    running_var: Tensor,
    mean: Tensor,
    var: Tensor,
    momentum: float,
    correction: float,
    only_finite: bool,
) -> bool:
    """running.lerp_(new, momentum) for the mean and for var * correction; True if the batch counted.

    With only_finite, statistics that are not all finite change nothing.
    """
    mean, var = mean.contiguous(), var.contiguous()
    counted = _chosen().move_running(
        running_mean.data_ptr(),
        running_var.data_ptr(),
        mean.data_ptr(),
        var.data_ptr(),
        _DTYPES[mean.dtype],
        mean.numel(),
        momentum,
        correction,
        only_finite,
    )
    torch.autograd.graph.increment_version((running_mean, running_var))
    return bool(counted)


def _native_takes(x: Tensor) -> bool:
    return instruction_set() != REFERENCE and x.dtype in _DTYPES and x.numel() > 0


def _parameter(parameter: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if parameter is None or (parameter.dtype == dtype and parameter.is_contiguous()):
        return parameter
    return parameter.to(dtype).contiguous()


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _layout(x: Tensor, leading: int) -> tuple[int, int, int, bool]:
    """Samples, channels, positions of x in order, and whether its channels come last; `leading` dimensions are groups."""
    shape = x.shape[leading:] if leading else x.shape
    dimensions = len(shape)
    if dimensions <= 2:
        return shape[0], shape[1] if dimensions == 2 else 1, 1, False
    return shape[0], shape[1], math.prod(shape[2:]), not x.is_contiguous()


def _in_order(x: Tensor, leading: int) -> Tensor:
    """Return x itself if its channels come first or last in memory, as in all usual formats; otherwise a copy."""
    if x.is_contiguous() or (x.ndim > leading + 2 and x.movedim(leading + 1, -1).is_contiguous()):
        return x
    return x.contiguous()


def _like(x: Tensor, y: Tensor) -> Tensor:
    """Give y the strides that torch gives to what is made like x."""
    if y.is_contiguous() == x.is_contiguous():
        return y
    like = torch.empty_like(x)
    return y if like.stride() == y.stride() else like.copy_(y)
