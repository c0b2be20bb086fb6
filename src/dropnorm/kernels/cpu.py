"""The CPU backend: launches the C++ kernels in `cpu/`, one source compiled for several instruction sets.

Dropout is native. Batch norm, activation and dropout in one is the reference's arithmetic around the native dropout. Where the
kernels were not built, everything is the reference.
"""

import functools
import math
import os
import warnings
from collections.abc import Sequence
from types import ModuleType

# torch must be there first: the kernels take their threads from the OpenMP runtime that it loads.
import torch
from torch import Tensor

from dropnorm._validate import choice
from dropnorm.errors import ArgumentError
from dropnorm.kernels import reference
from dropnorm.random import checked_site, threshold

REFERENCE = "reference"
INSTRUCTION_SETS = ("avx512", "avx2", "portable")
_DTYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}


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
        return available()[0]
    choice(wanted, "DROPNORM_CPU", (*INSTRUCTION_SETS, REFERENCE))
    if wanted not in available():
        raise ArgumentError(
            f"DROPNORM_CPU={wanted!r} is not to be had here: expected one of {', '.join(map(repr, available()))}."
        )
    return wanted


def dropout(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:
    """Drop as the reference does, to the bit; an x that is not contiguous is copied into order and the result back."""
    if instruction_set() == REFERENCE or x.dtype not in _DTYPES or x.ndim == key.ndim or x.numel() == 0:
        return reference.dropout(x, p, key, site, rows, channelwise)
    y = torch.empty_like(x)
    if x.is_contiguous() and y.is_contiguous():
        return launch_dropout(x, y, p, key, site, rows, channelwise)
    ordered = x.contiguous()
    return y.copy_(launch_dropout(ordered, torch.empty_like(ordered), p, key, site, rows, channelwise))


def launch_dropout(
    x: Tensor, y: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool
) -> Tensor:
    """Run the native kernel from x into y, both contiguous; y may be x."""
    sample = x.shape[key.ndim + 1 :]
    columns, inner = (sample[0], math.prod(sample[1:])) if channelwise and sample else (math.prod(sample), 1)
    key = key.contiguous()
    rows = None if rows is None else rows.contiguous()
    native = _native()
    assert native is not None
    native.dropout(
        instruction_set(),
        x.data_ptr(),
        y.data_ptr(),
        _DTYPES[x.dtype],
        x.shape[key.ndim],
        columns,
        inner,
        key.data_ptr(),
        [threshold(value) for value in p],
        [1.0 / (1.0 - value) if value < 1.0 else 0.0 for value in p],
        checked_site(site),
        0 if rows is None else rows.data_ptr(),
        torch.get_num_threads(),
    )
    return y


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
    """The reference's batch norm and activation, and the native dropout."""
    mean, var = reference.statistics(x, mask, grouped)
    _, z = reference.normalize(x, mean, var, weight, bias, eps, grouped)
    y = dropout(reference.activate(z, activation, negative_slope), p, key, site, rows, channelwise)
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
    """The gradients of x, weight and bias; the mask is made again by the native dropout."""
    x_hat, z = reference.normalize(x, mean, var, weight, bias, eps, grouped)
    grad_act = dropout(grad.to(z.dtype), p, key, site, rows, channelwise)
    grad_z = grad_act * reference.activation_derivative(z, activation, negative_slope)
    return reference.normalize_backward(grad_z, x, x_hat, weight, var, mask, eps, grouped)
