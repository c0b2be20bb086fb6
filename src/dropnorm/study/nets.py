"""Many dense nets of one shape as one batched net: one pass of kernels trains them all."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dropnorm import ops
from dropnorm.study.activations import ACTIVATIONS
from dropnorm.study.architecture import Architecture
from dropnorm.study.design import NetPlan, Purpose, seed_generator, seed_keys
from dropnorm.study.records import ActivationName

EPS = 1e-5
MOMENTUM = 0.1
INPUT_SITE = 1 << 16
"""The site of the masks of the inputs; those of hidden layers count from 0, so that no other arm's masks depend on it."""


class BatchedNets:
    """Nets whose tensors have a leading dimension for the net: weights (nets, in, out), activations (nets, batch, units).

    Equation:    hidden layer: h = dropout(activation(x W + b)), or dropout(activation(batch_norm(x W))) in nets with batch
                 norm, whose shift makes b useless; output layer: h W + b; x = dropout(features) where an arm says so
    State:       parameters and running statistics by name; the numbers in a name count the layers.
    """

    def __init__(
        self,
        plans: Sequence[NetPlan],
        activation: ActivationName,
        parameters: dict[str, Tensor],
        running: dict[str, Tensor],
    ):
        self.parameters = parameters
        self.running = running
        self.activation = activation
        self.batch_norm = "0.norm.weight" in parameters
        self.hidden_layers = sum(name.endswith("linear.weight") for name in parameters) - 1
        self.input_rates = [plan.arm.input_dropout for plan in plans]
        self.rates = [
            [plan.rate if plan.arm.where == "hidden" or layer == self.hidden_layers - 1 else 0.0 for plan in plans]
            for layer in range(self.hidden_layers)
        ]
        device = parameters["0.linear.weight"].device
        self._decays = torch.tensor([plan.weight_decay for plan in plans], device=device)[:, None, None]
        self._limits = torch.tensor([plan.arm.max_norm or torch.inf for plan in plans], device=device)[:, None, None]
        self._decaying = any(plan.weight_decay for plan in plans)
        self._limited = any(plan.arm.max_norm for plan in plans)

    @classmethod
    def initial(
        cls, plans: Sequence[NetPlan], architecture: Architecture, device: torch.device | str = "cpu"
    ) -> "BatchedNets":
        """Nets with torch.nn.Linear's initial distribution; those of one seed get the same weights in every arm."""
        batch_norm = plans[0].arm.batch_norm
        seeds = sorted({plan.seed for plan in plans})
        keys = seed_keys(seeds, Purpose.WEIGHTS)
        by_seed = {seed: _initial_weights(keys[index], architecture.widths) for index, seed in enumerate(seeds)}
        hidden_layers = len(architecture.hidden)
        parameters = {
            name: torch.stack([by_seed[plan.seed][name] for plan in plans]).to(device)
            for name in by_seed[seeds[0]]
            if not (batch_norm and name.endswith("linear.bias") and name != f"{hidden_layers}.linear.bias")
        }
        running: dict[str, Tensor] = {}
        if batch_norm:
            for layer, width in enumerate(architecture.hidden):
                shape = (len(plans), width)
                parameters[f"{layer}.norm.weight"] = torch.ones(shape, device=device)
                parameters[f"{layer}.norm.bias"] = torch.zeros(shape, device=device)
                running[f"{layer}.norm.running_mean"] = torch.zeros(shape, device=device)
                running[f"{layer}.norm.running_var"] = torch.ones(shape, device=device)
        return cls(plans, architecture.activation, parameters, running)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the nets: parameters and running statistics."""
        return self.parameters | self.running

    def training_outputs(self, x: Tensor, keys: Tensor) -> Tensor:
        """Outputs (nets, batch, outputs) of x (nets, batch, features), with masks from keys (nets,), layer by layer.

        x is written to where inputs are dropped.
        """
        if any(self.input_rates):
            ops.dropout_(x, self.input_rates, keys, site=INPUT_SITE)
        for layer in range(self.hidden_layers):
            x = self._training_layer(self._linear(x, layer), keys, layer)
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
            x = ACTIVATIONS[self.activation].function(z)
        return self._linear(x, self.hidden_layers)

    @torch.no_grad()
    def decay(self, learning_rate: float) -> None:
        """Shrink the weights, but neither biases nor batch norm's parameters, by each net's own decay, before a step.

        Source:      Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, as in torch.optim.AdamW.
        """
        if self._decaying:
            for layer in range(self.hidden_layers + 1):
                self.parameters[f"{layer}.linear.weight"].mul_(1 - learning_rate * self._decays)

    @torch.no_grad()
    def constrain(self) -> None:
        """Scale the weights into a hidden unit down to each net's largest norm, after a step.

        Source:      Srivastava et al. 2014, section 5.1.
        """
        if self._limited:
            for layer in range(self.hidden_layers):
                weight = self.parameters[f"{layer}.linear.weight"]
                norms = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
                weight.mul_((self._limits / norms).clamp_(max=1.0))

    def _training_layer(self, z: Tensor, keys: Tensor, layer: int) -> Tensor:
        rates, activation = self.rates[layer], ACTIVATIONS[self.activation]
        if not self.batch_norm:
            x = activation.function(z)
            return ops.dropout(x, rates, keys, site=layer) if any(rates) else x
        weight, bias = self.parameters[f"{layer}.norm.weight"], self.parameters[f"{layer}.norm.bias"]
        if activation.fused:
            x, mean, var = ops.batch_norm_act_dropout(
                z, weight, bias, rates, keys, activation=self.activation, eps=EPS, site=layer
            )
        else:
            x, mean, var = ops.batch_norm(z, weight, bias, eps=EPS, grouped=True)
            x = activation.function(x)
            x = ops.dropout(x, rates, keys, site=layer) if any(rates) else x
        count = z.shape[1]
        self.running[f"{layer}.norm.running_mean"].lerp_(mean, MOMENTUM)
        self.running[f"{layer}.norm.running_var"].lerp_(var * (count / (count - 1)), MOMENTUM)
        return x

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
