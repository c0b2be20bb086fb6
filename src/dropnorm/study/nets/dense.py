"""A training pass through the dense layers of batched nets, and back.

The gradients are written out: autograd takes longer to record small layers than they take to compute.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dropnorm.kernels import cpu, reference

if TYPE_CHECKING:
    from dropnorm.study.nets.batched import BatchedNets

EPS = 1e-5
NEGATIVE_SLOPE = 0.01


class DensePass:
    """One pass forward, with masks from these keys, and one back.

    Equation:    that of BatchedNets; `gradients`, by parameter, are those of the sum over nets of each net's loss
    """

    def __init__(self, nets: "BatchedNets", keys: Tensor) -> None:
        self.nets, self.keys = nets, keys
        self.gradients: dict[str, Tensor] = {}
        self._kernels: Any = cpu if keys.is_cpu else reference
        self._back: list[Callable[[Tensor], Tensor]] = []

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Outputs (nets, batch, outputs) of rows (nets, batch, features)."""
        for layer in range(self.nets.convolutions, self.nets.hidden_layers):
            x = self._affine(x, layer)
            if self.nets.batch_norm and self.nets.activation.fused:
                x = self._normalize_activate_and_drop(x, layer)
                continue
            if self.nets.batch_norm:
                x = self._normalize(x, layer)
            x = self._drop(self._activate(x), layer)
        return self._affine(x, self.nets.hidden_layers)

    @torch.no_grad()
    def backward(self, grad: Tensor) -> Tensor:
        """From the gradient of the outputs to those of all parameters; returns that of rows which convolutions made."""
        for step in reversed(self._back):
            grad = step(grad)
        return grad

    def _affine(self, x: Tensor, layer: int) -> Tensor:
        weight, bias = self._parameter(layer, "linear.weight"), self._parameter(layer, "linear.bias")
        assert weight is not None

        def back(grad: Tensor) -> Tensor:
            into = self.nets.memory_for_gradient(f"{layer}.linear.weight")
            self.gradients[f"{layer}.linear.weight"] = torch.bmm(x.transpose(1, 2), grad, out=into)
            if bias is not None:
                self.gradients[f"{layer}.linear.bias"] = grad.sum(1)
            # Nobody asks for the gradient of the features.
            return torch.bmm(grad, weight.transpose(1, 2)) if layer > 0 else grad

        self._back.append(back)
        return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)

    def _normalize_activate_and_drop(self, z: Tensor, layer: int) -> Tensor:
        weight, bias = self._parameter(layer, "norm.weight"), self._parameter(layer, "norm.bias")
        activation = (None, EPS, self.nets.architecture.activation, NEGATIVE_SLOPE)
        dropping = (self.nets.rates[layer], self.keys, layer, None, False, True)
        y: Tensor
        y, mean, var = self._kernels.batch_norm_act_dropout(z, weight, bias, *activation, *dropping)
        self.nets.track(layer, mean, var, z.shape[1])

        def back(grad: Tensor) -> Tensor:
            return self._of_norm(
                layer,
                *self._kernels.batch_norm_act_dropout_backward(
                    grad, z, weight, bias, mean, var, *activation, *dropping
                ),
            )

        self._back.append(back)
        return y

    def _normalize(self, z: Tensor, layer: int) -> Tensor:
        weight, bias = self._parameter(layer, "norm.weight"), self._parameter(layer, "norm.bias")
        y: Tensor
        y, mean, var = self._kernels.batch_norm(z, weight, bias, None, EPS, grouped=True)
        self.nets.track(layer, mean, var, z.shape[1])

        def back(grad: Tensor) -> Tensor:
            return self._of_norm(
                layer, *self._kernels.batch_norm_backward(grad, z, weight, mean, var, None, EPS, grouped=True)
            )

        self._back.append(back)
        return y

    def _of_norm(self, layer: int, grad: Tensor, grad_weight: Tensor, grad_bias: Tensor) -> Tensor:
        self.gradients |= {f"{layer}.norm.weight": grad_weight, f"{layer}.norm.bias": grad_bias}
        return grad

    def _activate(self, z: Tensor) -> Tensor:
        self._back.append(lambda grad: self.nets.activation.gradient(grad, z))
        return self.nets.activation.function(z)

    def _drop(self, x: Tensor, layer: int) -> Tensor:
        rates = self.nets.rates[layer]
        if not any(rates):
            return x
        # Dropout is linear: its gradient is itself, with the mask made again.
        self._back.append(lambda grad: self._kernels.dropout(grad, rates, self.keys, layer, None, channelwise=False))
        y: Tensor = self._kernels.dropout(x, rates, self.keys, layer, None, channelwise=False)
        return y

    def _parameter(self, layer: int, name: str) -> Tensor | None:
        return self.nets.parameters.get(f"{layer}.{name}")
