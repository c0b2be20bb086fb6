"""Batch normalization by the batch's own statistics as one differentiable operation."""

from typing import Any

import torch
from torch import Tensor

from dropnorm.kernels import cpu, reference
from dropnorm.ops import _checks, _eager
from dropnorm.ops._double_backward import gradient_of_gradient
from dropnorm.ops._operation import Operation


def empty_statistic(x: Tensor, grouped: bool) -> Tensor:
    """A tensor like the statistics of x, for the fake kernels."""
    shape = (x.shape[0], x.shape[2]) if grouped else (x.shape[1],)
    return x.new_empty(shape, dtype=reference.accumulation_dtype(x))


def fake_forward(x: Tensor, *args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """What a batch norm, alone or with what follows it, returns for an x without data; its last argument is `grouped`."""
    grouped = args[-1]
    return torch.empty_like(x), empty_statistic(x, grouped), empty_statistic(x, grouped)


def fake_backward(_: Tensor, x: Tensor, *args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The same for its gradients."""
    return fake_forward(x, *args)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, mask, ctx.eps, ctx.grouped = inputs
    _, mean, var = output
    ctx.mark_non_differentiable(mean, var)
    ctx.save_for_backward(x, weight, bias, mean, var, mask)


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, bias, mean, var, mask = ctx.saved_tensors
    grad_x, grad_weight, grad_bias = _batch_norm_backward(grad, x, weight, mean, var, mask, ctx.eps, ctx.grouped)
    return grad_x, parameter_gradient(grad_weight, weight), parameter_gradient(grad_bias, bias), None, None, None


def parameter_gradient(grad: Tensor, parameter: Tensor | None) -> Tensor | None:
    """The gradient in the parameter's own type, if there is a parameter."""
    return None if parameter is None else grad.to(parameter.dtype)


def _setup_double(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG001
    grad, x, weight, _, _, mask, ctx.eps, ctx.grouped = inputs
    ctx.save_for_backward(grad, x, weight, mask)


def _double_backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
    grad, x, weight, mask = ctx.saved_tensors

    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return reference.batch_norm(x, weight, bias, mask, ctx.eps, ctx.grouped)[0]

    shape = empty_statistic(x, ctx.grouped).shape
    grad_grad, grad_x, grad_weight, _ = gradient_of_gradient(forward, grad, x, weight, None, cotangents, shape)
    return grad_grad, grad_x, grad_weight, None, None, None, None, None


_batch_norm = Operation("batch_norm", reference.batch_norm, cpu.batch_norm, fake_forward, _setup_context, _backward)
_batch_norm_backward = Operation(
    "batch_norm_backward",
    reference.batch_norm_backward,
    cpu.batch_norm_backward,
    fake_backward,
    _setup_double,
    _double_backward,
)


def batch_norm(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    eps: float = 1e-5,
    grouped: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize each channel by the batch's own mean and variance, then scale and shift it.

    Equation:    y = (x - mean) / sqrt(var + eps) * weight + bias; mean and var over all dimensions but the channel's
    Shape:       x (N, C, *), weight and bias (C,) -> y like x, mean (C,), var (C,). Grouped: x (groups, N, C, *),
                 weight and bias (groups, C) -> y like x, mean and var (groups, C).
    Args:        weight, bias: None is ones, zeros; mask: bool (N, *), or (groups, N, *): the positions that count in the
                 statistics (all are normalized; padding must be finite); eps: added to the variance; grouped: see Shape.
    Numerics:    sums in float32, float64 for float64; two passes, so that a feature of mean 1e4 and deviation 1 keeps its
                 variance. var is biased, divided by the count. A count of zero gives mean 0 and var 0. mean and var carry
                 no gradient; second derivatives of y are exact.
    Raises:      ShapeError for an x without channels, or for parameters or a mask that do not fit it; ArgumentTypeError if
                 x is not floating point.
    Example:
        >>> import torch
        >>> from dropnorm import ops
        >>> y, mean, var = ops.batch_norm(torch.tensor([[1.0], [3.0]]))
        >>> mean, var
        (tensor([2.]), tensor([1.]))
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.
    See also:    torch.nn.functional.batch_norm with training=True, which also updates running statistics.
    """
    _checks.flags(grouped=grouped)
    _checks.numbers(eps=eps)
    _checks.channels(x, weight, bias, mask, grouped)
    counted = None if mask is None else mask.bool()
    made = _eager.batch_norm(x, weight, bias, counted, eps, "identity", 0.0, None, grouped)
    if made is not None:
        return made[0], *cpu.statistics(made[1], x, grouped)
    y, mean, var = _batch_norm(x, weight, bias, counted, eps, grouped)
    return y, mean, var
