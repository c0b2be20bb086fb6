"""A user's own network in training, with the interface of batched nets, as a batch of one."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dropnorm.study.design import NetPlan, Purpose, seed_keys
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.arms import module_of_arm
from dropnorm.study.modules.tensors import load_tensors, module_tensors, seeded, weighted_layers
from dropnorm.study.nets import layers


class ModuleNets:
    """One net, or none, whose tensors have a leading dimension for the net, as those of `BatchedNets` have.

    State:       parameters that train, and running: buffers and parameters that do not; both share the module's memory.
    Randomness:  a training pass seeds torch's generators from its key, and leaves them as they were.
    """

    def __init__(
        self,
        plans: Sequence[NetPlan],
        architecture: ModuleArchitecture,
        module: nn.Module,
        tensors: dict[str, Tensor] | None = None,
    ) -> None:
        self.plans, self.architecture, self.module = plans, architecture, module
        if tensors is not None and plans:
            load_tensors(module, {name: tensor[0] for name, tensor in tensors.items()})
        known = {name: tensor[None] for name, tensor in module_tensors(module).items()}
        if not plans:
            known = tensors or {name: tensor[:0] for name, tensor in known.items()}
        training = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        self.parameters = {name: known[name] for name in training}
        self._kept = {name: tensor for name, tensor in known.items() if name not in self.parameters}

    @classmethod
    def initial(
        cls, plans: Sequence[NetPlan], architecture: ModuleArchitecture, device: torch.device | str = "cpu"
    ) -> "ModuleNets":
        """The net of one plan, as the factory makes it under the seed's key, the same in every arm."""
        (plan,) = plans
        key = int(seed_keys([plan.seed], Purpose.WEIGHTS)[0])
        return cls(plans, architecture, module_of_arm(architecture, plan.arm, plan.rate, key).to(device))

    def of(self, plans: Sequence[NetPlan], tensors: dict[str, Tensor]) -> "ModuleNets":
        """A net of the same kind with these tensors."""
        return ModuleNets(plans, self.architecture, copy.deepcopy(self.module), tensors)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the net, as it is now: a layer may put another tensor in the place of a buffer."""
        if not self.plans:
            return self.parameters | self._kept
        now = module_tensors(self.module)
        return self.parameters | {name: now[name][None] for name in self._kept}

    def gradients(self, x: Tensor, keys: Tensor, of_outputs: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """One training pass: the gradient of each parameter, from that of the outputs (1, batch, outputs)."""
        self.module.train()
        with seeded(int(keys[0]), x.device), torch.enable_grad():
            outputs = self.module(self._rows(x))
            grad = of_outputs(outputs.detach()[None].clone())[0]
            trained = dict(self.module.named_parameters())
            found = torch.autograd.grad(
                outputs, [trained[name] for name in self.parameters], grad, allow_unused=True, materialize_grads=True
            )
        return {name: each.contiguous()[None] for name, each in zip(self.parameters, found, strict=True)}

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Tensor:
        """Outputs in inference mode."""
        outputs: Tensor = self.module.eval()(self._rows(x))
        return outputs[None]

    @torch.no_grad()
    def decay(self, learning_rates: Sequence[float]) -> None:
        """Shrink the weights, but neither biases nor the parameters of norms, before a step."""
        decay = self.plans[0].weight_decay
        if decay:
            for parameter in self.parameters.values():
                if parameter.ndim > 2:  # the net's dimension, and those of a matrix at least
                    parameter.mul_(1 - learning_rates[0] * decay)

    @torch.no_grad()
    def constrain(self) -> None:
        """Scale the weights into a unit or channel of all Linear and Conv layers but the last one down to the largest norm."""
        limit = self.plans[0].arm.max_norm
        if limit is None:
            return
        for place, layer in enumerate(weighted_layers(self.module)):
            if place != self.architecture.output_layer:
                weight = layer.get_parameter("weight")
                norms = torch.linalg.vector_norm(weight.flatten(1), dim=1)
                weight.mul_((limit / norms).clamp_(max=1.0).view(-1, *(1,) * (weight.ndim - 1)))

    def _rows(self, x: Tensor) -> Tensor:
        """The rows of the one net, as images where they are."""
        image = self.architecture.image
        return x[0] if image is None else layers.to_images(x, image, self.architecture.channels_last)
