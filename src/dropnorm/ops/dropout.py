"""Dropout as one differentiable operation that stores no mask."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dropnorm.kernels import cpu, reference
from dropnorm.ops import _checks, _eager
from dropnorm.ops._operation import Operation
from dropnorm.random import snapshot


def _fake(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:  # noqa: ARG001
    return torch.empty_like(x)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    _, ctx.p, key, ctx.site, rows, ctx.channelwise = inputs
    ctx.save_for_backward(key, rows)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None, None]:
    # Dropout is linear in x: its gradient is itself, with the mask made again; so is the gradient of that.
    key, rows = ctx.saved_tensors
    return _dropout(grad, ctx.p, key, ctx.site, rows, ctx.channelwise), None, None, None, None, None


_dropout = Operation("dropout", reference.dropout, cpu.dropout, _fake, _setup_context, _backward)


def dropout(
    x: Tensor,
    p: float | Sequence[float],
    key: Tensor,
    *,
    site: int = 0,
    rows: Tensor | None = None,
    channelwise: bool = False,
) -> Tensor:
    """Zero each unit with probability p and scale the others, by a mask that is a function of the key alone.

    Equation:    y = x * kept / (1 - p), kept ~ Bernoulli(1 - p); dy/dx is the same map
    Shape:       x (N, *) with key () -> (N, *); x (groups, N, *) with key (groups,) -> the same. Channel-wise: x (N, C, *),
                 and a channel of a sample is dropped as a whole.
    Args:        p: drop probability in [0, 1], one number or one per group; key: int64, from `dropnorm.random`;
                 site: in [0, 2**31), tells apart the dropouts that share a key; rows: int64 (N,), the samples' indices
                 in the mask, by default 0 ... N - 1; channelwise: one decision per channel.
    Numerics:    scaled in float32 (float64 for float64) and rounded once. p = 1 gives zeros. A dropped unit is zero even
                 where x is infinite or NaN (torch gives NaN there).
    Randomness:  none; the mask contract is in `dropnorm.random`. Saved for backward: the key, and rows if given.
    Raises:      ArgumentError for p or site out of range; ShapeError if key or rows do not fit x; ArgumentTypeError if x
                 is not floating point, or key or rows not int64.
    Example:
        >>> import torch
        >>> from dropnorm import ops
        >>> x = torch.ones(4, 6)
        >>> y = ops.dropout(x, 0.5, torch.tensor(1))
        >>> bool((y == ops.dropout(x, 0.5, torch.tensor(1))).all())
        True
    Source:      Srivastava et al. 2014, "Dropout", section 4; inverted scaling as in torch and Keras.
    See also:    torch.nn.functional.dropout, which draws its mask from the global generator and stores it.
    """
    _checks.floating(x)
    _checks.flags(channelwise=channelwise)
    arguments = (_checks.rates(x, p, key, site, rows), key, site, rows, channelwise)
    y = _eager.dropout(x, arguments)
    return _traced(x, arguments) if y is None else y


def dropout_(
    x: Tensor,
    p: float | Sequence[float],
    key: Tensor,
    *,
    site: int = 0,
    rows: Tensor | None = None,
    channelwise: bool = False,
) -> Tensor:
    """Drop units of x in x itself, and return it.

    Equation, Shape, Args, Numerics, Randomness, Raises: as `dropout`; and a RuntimeError of torch's where x may not be
    changed in place, such as a parameter.
    Example:
        >>> import torch
        >>> from dropnorm import ops
        >>> x = torch.ones(4, 6)
        >>> ops.dropout_(x, 0.5, torch.tensor(1)) is x
        True
    See also:    torch.nn.functional.dropout with inplace=True.
    """
    _checks.floating(x)
    _checks.flags(channelwise=channelwise)
    arguments = (_checks.rates(x, p, key, site, rows), key, site, rows, channelwise)
    y = _eager.dropout_(x, arguments)
    return x.copy_(_traced(x, arguments)) if y is None else y


def _traced(x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
    """The registered operation, of a key and rows that stay what they are until the backward pass."""
    p, key, site, rows, channelwise = arguments
    y: Tensor = _dropout(x, p, snapshot(key), site, None if rows is None else snapshot(rows), channelwise)
    return y
