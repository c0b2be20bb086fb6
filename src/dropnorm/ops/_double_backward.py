"""The second derivative of an operation whose reference kernel is a composition that torch can differentiate."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def gradient_of_gradient(
    forward: Callable[[Tensor, Tensor, Tensor], Tensor],
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    cotangents: Sequence[Tensor | None],
    parameter_shape: Sequence[int],
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of (grad, x, weight, bias) through the map from them to the gradients of x, weight and bias.

    Second derivatives are rare and need not be fast; taken from the composition they cannot disagree with the first.
    An absent weight or bias stands for ones or zeros, since its gradient is computed, and may be used, all the same.
    """
    with torch.enable_grad():
        ones, zeros = x.new_ones(parameter_shape), x.new_zeros(parameter_shape)
        leaves = [
            _leaf(value) for value in (grad, x, ones if weight is None else weight, zeros if bias is None else bias)
        ]
        first = torch.autograd.grad(forward(*leaves[1:]), leaves[1:], leaves[0], create_graph=True)
        used = [
            (value, cotangent.to(value.dtype))
            for value, cotangent in zip(first, cotangents, strict=True)
            if cotangent is not None
        ]
        outputs, weights = zip(*used, strict=True)
        second = torch.autograd.grad(outputs, leaves, weights, allow_unused=True, create_graph=True)
    return second[0], second[1], None if weight is None else second[2], None if bias is None else second[3]


def _leaf(value: Tensor) -> Tensor:
    """A stand-in for `value`: differentiating by it does not go on to what `value` was made of.

    In a gradient penalty grad is itself a function of x, and that path is the caller's to follow, once.
    """
    return value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
