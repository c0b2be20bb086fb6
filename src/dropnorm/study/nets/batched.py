"""Many nets of one shape as one batched net: one pass of kernels trains them all."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dropnorm import ops
from dropnorm.study.design import NetPlan, Purpose, seed_keys
from dropnorm.study.nets import layers
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.dense import EPS, DensePass
from dropnorm.study.nets.initialization import initial_weights

MOMENTUM = 0.1
INPUT_SITE = 1 << 16
"""The site of the masks of the inputs; those of hidden layers count from 0, so that no other arm's masks depend on it."""


class BatchedNets:
    """Nets whose tensors have a leading dimension for the net: weights (nets, in, out), activations (nets, batch, units).

    Equation:    hidden layer: h = dropout(activation(x W + b)), or dropout(activation(batch_norm(x W))) in nets with batch
                 norm, whose shift makes b useless; output layer: h W + b; x = dropout(features) where an arm says so.
                 Convolutions, before the dense layers: h = channel dropout(max pool(activation([batch norm](x * W [+ b]))))
    State:       parameters and running statistics by name; the numbers in a name count the layers.
    """

    def __init__(
        self,
        plans: Sequence[NetPlan],
        architecture: Architecture,
        parameters: dict[str, Tensor],
        running: dict[str, Tensor],
    ):
        self.architecture, self.parameters, self.running = architecture, parameters, running
        self.nets = len(plans)
        self.activation = ACTIVATIONS[architecture.activation]
        self.batch_norm = "0.norm.weight" in parameters
        self.convolutions = len(architecture.convolutions)
        self.hidden_layers = architecture.dropping_layers
        self.input_rates = [plan.arm.input_dropout for plan in plans]
        self.rates = [
            [plan.rate if plan.arm.where == "hidden" or layer == self.hidden_layers - 1 else 0.0 for plan in plans]
            for layer in range(self.hidden_layers)
        ]
        device = next(iter(parameters.values())).device
        self.decays = [plan.weight_decay for plan in plans]
        self.largest_norms = [plan.arm.max_norm or torch.inf for plan in plans]
        self._decays = torch.tensor(self.decays, device=device)
        self._limits = torch.tensor(self.largest_norms, device=device)
        self._decaying = any(self.decays)
        self._limited = any(plan.arm.max_norm for plan in plans)
        self._gradient_memory: dict[str, Tensor] = {}

    @classmethod
    def initial(
        cls, plans: Sequence[NetPlan], architecture: Architecture, device: torch.device | str = "cpu"
    ) -> "BatchedNets":
        """Nets with the initial distribution of torch's layers; those of one seed get the same weights in every arm."""
        batch_norm = plans[0].arm.batch_norm
        seeds = sorted({plan.seed for plan in plans})
        keys = seed_keys(seeds, Purpose.WEIGHTS)
        by_seed = {seed: initial_weights(keys[index], architecture) for index, seed in enumerate(seeds)}
        output_bias = f"{architecture.dropping_layers}.linear.bias"
        parameters = {
            name: torch.stack([by_seed[plan.seed][name] for plan in plans]).to(device)
            for name in by_seed[seeds[0]]
            if not (batch_norm and name.endswith("bias") and name != output_bias)
        }
        running: dict[str, Tensor] = {}
        if batch_norm:
            for layer, width in enumerate((*architecture.channels, *architecture.hidden)):
                shape = (len(plans), width)
                parameters[f"{layer}.norm.weight"] = torch.ones(shape, device=device)
                parameters[f"{layer}.norm.bias"] = torch.zeros(shape, device=device)
                running[f"{layer}.norm.running_mean"] = torch.zeros(shape, device=device)
                running[f"{layer}.norm.running_var"] = torch.ones(shape, device=device)
        return cls(plans, architecture, parameters, running)

    def of(self, plans: Sequence[NetPlan], tensors: dict[str, Tensor]) -> "BatchedNets":
        """Nets of the same architecture with these tensors."""
        running = {name: tensor for name, tensor in tensors.items() if name in self.running}
        parameters = {name: tensor for name, tensor in tensors.items() if name not in running}
        return BatchedNets(plans, self.architecture, parameters, running)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the nets: parameters and running statistics."""
        return self.parameters | self.running

    def gradients(self, x: Tensor, keys: Tensor, of_outputs: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """One training pass: the gradient of each parameter, from that of the outputs (nets, batch, outputs).

        Shape:       x (nets, batch, features), which is written to where inputs are dropped; keys (nets,) of the masks
        """
        if any(self.input_rates):
            ops.dropout_(x, self.input_rates, keys, site=INPUT_SITE)
        rows = self._convolved(x, keys) if self.convolutions else x
        dense = DensePass(self, keys)
        grad = dense.backward(of_outputs(dense.forward(rows)))
        if not self.convolutions:
            return dense.gradients
        convolved = self._of_convolutions()
        of_convolutions = torch.autograd.grad(rows, list(convolved.values()), grad)
        return dense.gradients | dict(zip(convolved, of_convolutions, strict=True))

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Tensor:
        """Outputs in inference mode: no dropout, running statistics."""
        if self.convolutions:
            x = self._images(x)
            for layer in range(self.convolutions):
                x = layers.pool(self.activation.function(self._normalized(self._affine(x, layer), layer)))
            x = layers.to_rows(x, self.nets)
        for layer in range(self.convolutions, self.hidden_layers):
            x = self.activation.function(self._normalized(self._affine(x, layer), layer))
        return self._affine(x, self.hidden_layers)

    @torch.no_grad()
    def hidden(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """What goes into the activation of each hidden layer, and what comes out of the layer, in inference mode.

        Shape:       x (nets, rows, features) -> two of (nets, values, units): a value per row; of a convolution, whose units
                     are its channels and whose outputs those behind the pooling, one per row and place in the image
        """
        x = self._images(x) if self.convolutions else x
        for layer in range(self.convolutions):
            z = self._normalized(self._affine(x, layer), layer)
            x = layers.pool(self.activation.function(z))
            yield layers.to_values(z, self.nets), layers.to_values(x, self.nets)
        x = layers.to_rows(x, self.nets) if self.convolutions else x
        for layer in range(self.convolutions, self.hidden_layers):
            z = self._normalized(self._affine(x, layer), layer)
            x = self.activation.function(z)
            yield z, x

    @torch.no_grad()
    def track(self, layer: int, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics towards those of a batch of so many values."""
        self.running[f"{layer}.norm.running_mean"].lerp_(mean, MOMENTUM)
        self.running[f"{layer}.norm.running_var"].lerp_(var * (count / (count - 1)), MOMENTUM)

    @torch.no_grad()
    def decay(self, learning_rates: Sequence[float]) -> None:
        """Shrink the weights, but neither biases nor batch norm's parameters, by each net's own decay, before a step.

        Source:      Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, as in torch.optim.AdamW.
        """
        if self._decaying:
            kept = 1 - torch.tensor(learning_rates, device=self._decays.device) * self._decays
            for weight in self._weights():
                weight.mul_(_per_net(kept, weight))

    @torch.no_grad()
    def constrain(self) -> None:
        """Scale the weights into a hidden unit, or a channel, down to each net's largest norm, after a step.

        Source:      Srivastava et al. 2014, section 5.1.
        """
        if self._limited:
            *hidden, _ = self._weights()
            for weight in hidden:
                incoming = (1,) if weight.ndim == 3 else (2, 3, 4)
                norms = torch.linalg.vector_norm(weight, dim=incoming, keepdim=True)
                weight.mul_((_per_net(self._limits, weight) / norms).clamp_(max=1.0))

    def memory_for_gradient(self, name: str) -> Tensor:
        """Where to write a parameter's gradient, the same at each step: fresh memory costs more than what is computed."""
        if name not in self._gradient_memory:
            self._gradient_memory[name] = torch.empty_like(self.parameters[name])
        return self._gradient_memory[name]

    def _of_convolutions(self) -> dict[str, Tensor]:
        return {name: each for name, each in self.parameters.items() if int(name.split(".")[0]) < self.convolutions}

    def _images(self, x: Tensor) -> Tensor:
        assert self.architecture.image is not None
        return layers.to_images(x, self.architecture.image, self.architecture.channels_last)

    def _weights(self) -> list[Tensor]:
        return [self.parameters[name] for name in self.parameters if name.endswith((".linear.weight", ".conv.weight"))]

    def _affine(self, x: Tensor, layer: int) -> Tensor:
        kind, compute = ("conv", layers.convolution) if layer < self.convolutions else ("linear", layers.linear)
        return compute(x, self.parameters[f"{layer}.{kind}.weight"], self.parameters.get(f"{layer}.{kind}.bias"))

    @torch.enable_grad()
    def _convolved(self, x: Tensor, keys: Tensor) -> Tensor:
        """The rows that the convolutions make of images, under autograd."""
        for parameter in self._of_convolutions().values():
            parameter.requires_grad_()
        x = self._images(x)
        for layer in range(self.convolutions):
            x = self._training_convolution(x, keys, layer)
        return layers.to_rows(x, self.nets)

    def _training_convolution(self, x: Tensor, keys: Tensor, layer: int) -> Tensor:
        z = self._affine(x, layer)
        if self.batch_norm:
            weight, bias = self.parameters[f"{layer}.norm.weight"], self.parameters[f"{layer}.norm.bias"]
            x, mean, var = layers.normalize_and_activate(
                z, weight, bias, self.architecture.activation, self.activation, EPS
            )
            self.track(layer, mean, var, z.numel() // z.shape[1])
        else:
            x = self.activation.function(z)
        # A channel is dropped as a whole, so it may be behind the pooling, where there is a quarter of it.
        return layers.drop_channels(layers.pool(x), self.rates[layer], keys, site=layer)

    def _normalized(self, z: Tensor, layer: int) -> Tensor:
        if not self.batch_norm:
            return z
        scale = self.parameters[f"{layer}.norm.weight"] * torch.rsqrt(self.running[f"{layer}.norm.running_var"] + EPS)
        shift = self.parameters[f"{layer}.norm.bias"] - self.running[f"{layer}.norm.running_mean"] * scale
        if layer < self.convolutions:
            return torch.addcmul(shift.view(-1, 1, 1), z, scale.view(-1, 1, 1))
        return torch.addcmul(shift[:, None], z, scale[:, None])


def _per_net(values: Tensor, weight: Tensor) -> Tensor:
    return values.view(-1, *(1,) * (weight.ndim - 1))
