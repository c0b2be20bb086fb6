"""Batch normalization, an activation and dropout as one differentiable operation that keeps its input alone."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from dropnorm._validate import choice
from dropnorm.kernels import cpu, reference
from dropnorm.ops import _checks, _eager
from dropnorm.ops._double_backward import gradient_of_gradient
from dropnorm.ops._operation import Operation
from dropnorm.ops.batch_norm import empty_statistic, fake_backward, fake_forward, parameter_gradient
from dropnorm.random import snapshot


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, mask, eps, activation, negative_slope, p, key, site, rows, channelwise, grouped = inputs
    _, mean, var = output
    ctx.mark_non_differentiable(mean, var)
    ctx.save_for_backward(x, weight, bias, mean, var, mask, key, rows)
    ctx.numbers = (eps, activation, negative_slope, p)
    ctx.layout = (site, channelwise, grouped)


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, bias, mean, var, mask, key, rows = ctx.saved_tensors
    site, channelwise, grouped = ctx.layout
    grad_x, grad_weight, grad_bias = _batch_norm_act_dropout_backward(
        grad, x, weight, bias, mean, var, mask, *ctx.numbers, key, site, rows, channelwise, grouped
    )
    return grad_x, parameter_gradient(grad_weight, weight), parameter_gradient(grad_bias, bias), *(None,) * 10


def _setup_double(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG001
    grad, x, weight, bias, _, _, mask, eps, activation, negative_slope, p, key, site, rows, channelwise, grouped = (
        inputs
    )
    ctx.save_for_backward(grad, x, weight, bias, mask, key, rows)
    ctx.numbers = (eps, activation, negative_slope, p)
    ctx.layout = (site, channelwise, grouped)


def _double_backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
    grad, x, weight, bias, mask, key, rows = ctx.saved_tensors
    eps, activation, negative_slope, p = ctx.numbers
    site, channelwise, grouped = ctx.layout

    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y, _, _ = reference.batch_norm_act_dropout(
            x, weight, bias, mask, eps, activation, negative_slope, p, key, site, rows, channelwise, grouped
        )
        return y

    shape = empty_statistic(x, grouped).shape
    grads = gradient_of_gradient(forward, grad, x, weight, bias, cotangents, shape)
    return *grads, *(None,) * 12


_batch_norm_act_dropout = Operation(
    "batch_norm_act_dropout",
    reference.batch_norm_act_dropout,
    cpu.batch_norm_act_dropout,
    fake_forward,
    _setup_context,
    _backward,
)
_batch_norm_act_dropout_backward = Operation(
    "batch_norm_act_dropout_backward",
    reference.batch_norm_act_dropout_backward,
    cpu.batch_norm_act_dropout_backward,
    fake_backward,
    _setup_double,
    _double_backward,
)


def batch_norm_act_dropout(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    p: float | Sequence[float],
    key: Tensor,
    *,
    activation: str = "relu",
    negative_slope: float = 0.01,
    mask: Tensor | None = None,
    eps: float = 1e-5,
    site: int = 0,
    rows: Tensor | None = None,
    channelwise: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization, then an activation, then dropout, in one operation.

    Equation:    y = dropout(activation(batch_norm(x, weight, bias)), p); see the two operations of these names
    Shape:       x (N, C, *), weight and bias (C,), key () -> y like x, mean (C,), var (C,). Grouped, if key is (groups,):
                 x (groups, N, C, *), weight and bias (groups, C) -> y like x, mean and var (groups, C).
    Args:        weight, bias, mask, eps: as in `batch_norm`; p, key, site, rows, channelwise: as in `dropout`;
                 activation: "identity", "relu", "leaky_relu", "gelu" (exact) or "silu"; negative_slope: leaky_relu's.
    Numerics:    everything between input and output in float32 (float64 for float64), rounded once at the end. Saved for
                 backward: x and the statistics; the normalized values and the mask are made again.
    Randomness:  none; the mask contract is in `dropnorm.random`.
    Raises:      ArgumentError for p, site or activation out of range; ShapeError for what does not fit x; ArgumentTypeError
                 if x is not floating point, or key or rows not int64.
    Example:
        >>> import torch
        >>> from dropnorm import ops
        >>> y, mean, var = ops.batch_norm_act_dropout(torch.randn(8, 3), None, None, 0.5, torch.tensor(1))
        >>> y.shape, mean.shape
        (torch.Size([8, 3]), torch.Size([3]))
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167; Srivastava et al. 2014. The order, dropout last, is that of Li et
                 al. 2019, arXiv:1801.05134: dropout before a batch norm shifts its variance between training and inference.
    """
    if not isinstance(key, Tensor):
        raise _checks.no_tensor("key", key)
    _checks.flags(channelwise=channelwise)
    _checks.numbers(eps=eps, negative_slope=negative_slope)
    grouped = key.ndim == 1
    _checks.channels(x, weight, bias, mask, grouped)
    choice(activation, "activation", reference.ACTIVATIONS)
    dropping = (_checks.rates(x, p, key, site, rows), key, site, rows, channelwise)
    counted = None if mask is None else mask.bool()
    made = _eager.batch_norm(x, weight, bias, counted, eps, activation, negative_slope, dropping, grouped)
    if made is not None:
        return made[0], *cpu.statistics(made[1], x, grouped)
    # They stay what they are until the backward pass.
    p, key, site, rows, channelwise = dropping
    dropping = (p, snapshot(key), site, None if rows is None else snapshot(rows), channelwise)
    y, mean, var = _batch_norm_act_dropout(
        x, weight, bias, counted, eps, activation, negative_slope, *dropping, grouped
    )
    return y, mean, var
