"""What a training step of many nets does besides its layers: one native call each, or plain torch, the same up to rounding."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dropnorm.kernels.instruction_sets import kernels


def gather(base: Tensor, rows: Tensor, seeds: Tensor, factor: Tensor, shift: Tensor, farthest: float) -> Tensor:
    """Rows of a table, each net's on its own scale; what is missing is 0, and nothing is beyond the farthest.

    Equation:    x = base[row] * factor[seed] + shift[seed]
    Shape:       base (rows, features) of uint8 or float32, rows (nets, batch), seeds (nets,), factor and shift
                 (seeds, features) -> (nets, batch, features)
    """
    native: Any = kernels()
    if native is not None and base.is_cpu:
        x = torch.empty(*rows.shape, base.shape[1])
        if native.gather(base, rows, seeds, factor, shift, farthest, x, torch.get_num_threads()):
            return x
    x = base.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
    x = x * factor[seeds][:, None] + shift[seeds][:, None]
    return x.nan_to_num_(nan=0.0, posinf=farthest, neginf=-farthest).clamp_(-farthest, farthest)


def softmax_gradient(outputs: Tensor, targets: Tensor, scale: float) -> Tensor:
    """The gradient of scale times the sum of all rows' cross-entropies.

    Shape:       outputs (*, classes), targets (*) -> like outputs
    """
    native: Any = kernels()
    if native is not None and outputs.is_cpu:
        grad = torch.empty_like(outputs)
        if native.softmax_gradient(outputs, targets, scale, grad, torch.get_num_threads()):
            return grad
    grad = outputs.softmax(-1)
    index = targets[..., None]
    return grad.scatter_(-1, index, grad.gather(-1, index) - 1.0).mul_(scale)


def adam(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    learning_rates: Sequence[float],
    betas: tuple[float, float],
    eps: float,
    step: int,
) -> None:
    """One step of Adam, the `step`-th from 1, on all parameters, means and squares in place.

    Shape:       parameters, gradients, means, squares: tensors (*), or (nets, *) where there is a learning rate for each net;
                 learning_rates (1,) or (nets,)
    Source:      Kingma & Ba 2015, arXiv:1412.6980, algorithm 1
    """
    native: Any = kernels()
    if native is not None and native.adam(
        parameters, gradients, means, squares, learning_rates, *betas, eps, step, torch.get_num_threads()
    ):
        return
    beta1, beta2 = betas
    for parameter, gradient, mean, square in zip(parameters, gradients, means, squares, strict=True):
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        deviation = square.sqrt().div_((1 - beta2**step) ** 0.5).add_(eps)
        sizes = [learning_rate / (1 - beta1**step) for learning_rate in learning_rates]
        if len(sizes) == 1:
            parameter.addcdiv_(mean, deviation, value=-sizes[0])
        else:
            size = torch.tensor(sizes, device=mean.device, dtype=mean.dtype).view(-1, *(1,) * (mean.ndim - 1))
            parameter.sub_(mean.div(deviation).mul_(size))
