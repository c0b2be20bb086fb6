"""Many dense nets of one shape as one batched net: one pass of kernels trains them all."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dropnorm import ops
from dropnorm.study.design import NetPlan, Purpose, seed_generator, seed_keys

EPS = 1e-5
MOMENTUM = 0.1


class BatchedNets:
    """Nets whose tensors have a leading dimension for the net: weights (nets, in, out), activations (nets, batch, units).

    Equation:    hidden layer: h = dropout(relu(x W + b)), or dropout(relu(batch_norm(x W))) in nets with batch norm, whose
                 shift makes b useless; output layer: h W + b
    State:       parameters and running statistics by name; the numbers in a name count the layers.
    """

    def __init__(
        self,
        batch_norm: bool,
        rates: Sequence[float],
        parameters: dict[str, Tensor],
        running: dict[str, Tensor],
    ):
        self.batch_norm = batch_norm
        self.rates = list(rates)
        self.parameters = parameters
        self.running = running
        self.hidden_layers = sum(name.endswith("linear.weight") for name in parameters) - 1

    @classmethod
    def initial(cls, plans: Sequence[NetPlan], widths: Sequence[int], device: torch.device) -> "BatchedNets":
        """Nets with torch.nn.Linear's initial distribution; those of one seed get the same weights in every arm."""
        batch_norm = plans[0].batch_norm
        seeds = sorted({plan.seed for plan in plans})
        keys = seed_keys(seeds, Purpose.WEIGHTS)
        by_seed = {seed: _initial_weights(keys[index], widths) for index, seed in enumerate(seeds)}
        hidden_layers = len(widths) - 2
        parameters = {
            name: torch.stack([by_seed[plan.seed][name] for plan in plans]).to(device)
            for name in by_seed[seeds[0]]
            if not (batch_norm and name.endswith("linear.bias") and name != f"{hidden_layers}.linear.bias")
        }
        running: dict[str, Tensor] = {}
        if batch_norm:
            for layer, width in enumerate(widths[1:-1]):
                shape = (len(plans), width)
                parameters[f"{layer}.norm.weight"] = torch.ones(shape, device=device)
                parameters[f"{layer}.norm.bias"] = torch.zeros(shape, device=device)
                running[f"{layer}.norm.running_mean"] = torch.zeros(shape, device=device)
                running[f"{layer}.norm.running_var"] = torch.ones(shape, device=device)
        return cls(batch_norm, [plan.rate for plan in plans], parameters, running)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the nets: parameters and running statistics."""
        return self.parameters | self.running

    def training_outputs(self, x: Tensor, keys: Tensor) -> Tensor:
        """Outputs (nets, batch, outputs) of x (nets, batch, features), with masks from keys (nets,), layer by layer."""
        for layer in range(self.hidden_layers):
            z = self._linear(x, layer)
            if not self.batch_norm:
                x = torch.relu(z)
                if any(self.rates):
                    x = ops.dropout(x, self.rates, keys, site=layer)
                continue
            weight, bias = self.parameters[f"{layer}.norm.weight"], self.parameters[f"{layer}.norm.bias"]
            x, mean, var = ops.batch_norm_act_dropout(z, weight, bias, self.rates, keys, eps=EPS, site=layer)
            count = z.shape[1]
            self.running[f"{layer}.norm.running_mean"].lerp_(mean, MOMENTUM)
            self.running[f"{layer}.norm.running_var"].lerp_(var * (count / (count - 1)), MOMENTUM)
        return self._linear(x, self.hidden_layers)

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Tensor:
        """Outputs in inference mode: no dropout, running statistics."""
        for layer in range(self.hidden_layers):
            z = self._linear(x, layer)
            if self.batch_norm:
                scale = self.parameters[f"{layer}.norm.weight"] * torch.rsqrt(
                    self.running[f"{layer}.norm.running_var"] + EPS
                )
                shift = self.parameters[f"{layer}.norm.bias"] - self.running[f"{layer}.norm.running_mean"] * scale
                z = torch.addcmul(shift[:, None], z, scale[:, None])
            x = torch.relu(z)
        return self._linear(x, self.hidden_layers)

    def _linear(self, x: Tensor, layer: int) -> Tensor:
        bias = self.parameters.get(f"{layer}.linear.bias")
        weight = self.parameters[f"{layer}.linear.weight"]
        return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)


def _initial_weights(key: Tensor, widths: Sequence[int]) -> dict[str, Tensor]:
    """U(-1, 1) / sqrt(inputs), all weights before all biases, so that nets with fewer biases share the weights."""
    generator = seed_generator(key)
    pairs = list(enumerate(pairwise(widths)))
    weights = {
        f"{layer}.linear.weight": torch.empty(inputs, outputs).uniform_(-1, 1, generator=generator) / inputs**0.5
        for layer, (inputs, outputs) in pairs
    }
    biases = {
        f"{layer}.linear.bias": torch.empty(outputs).uniform_(-1, 1, generator=generator) / inputs**0.5
        for layer, (inputs, outputs) in pairs
    }
    return weights | biases
