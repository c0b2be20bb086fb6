"""How a study trains Keras models, one at a time, and traces each arm's but once."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import torch
from torch import Tensor

from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NetPlan, Purpose, seed_keys
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.keras.arms import model_of_arm
from dropnorm.study.keras.compiling import compile_for_study
from dropnorm.study.keras.fingerprint import fingerprint_of
from dropnorm.study.keras.nets import KerasNets, KerasOptimizer, KerasSteps
from dropnorm.study.keras.variables import assign, tensors_of
from dropnorm.study.nets.objective import Objective


class KerasKind:
    """A user's own Keras models.

    What JAX and TensorFlow trace for a net, which takes longer than many an epoch, serves all nets of its arm and rate, which
    differ in nothing but the values of their variables.
    """

    together = 1
    framework: str | None = f"{keras.__version__} on {keras.backend.backend()}"

    def __init__(self, architecture: KerasArchitecture) -> None:
        self.architecture, self.largest = architecture, architecture.largest
        self._arm = ""
        self._traced: dict[tuple[float, float], tuple[str, keras.Model, dict[str, Tensor]]] = {}

    def initial(self, plans: Sequence[NetPlan], device: torch.device | str) -> KerasNets:
        """The net of one plan, as the factory makes it under the seed's key, the same in every arm."""
        (plan,) = plans
        key = int(seed_keys([plan.seed], Purpose.WEIGHTS)[0])
        made = model_of_arm(self.architecture, plan.arm, plan.rate, key)
        return KerasNets(plans, self.architecture, self._compiled(made, plan), device)

    def optimizer(
        self,
        nets: KerasNets,
        learning_rates: Sequence[float],
        moments: Mapping[str, Mapping[str, Tensor]] | None,
        steps: int,  # noqa: ARG002 - which the optimizer counts itself
    ) -> KerasOptimizer:
        """The optimizer that the net is compiled with; of one that came without, the study's learning rate is its own."""
        if nets.plans and not self.architecture.compiled:
            (nets.model.optimizer.learning_rate,) = learning_rates
        return KerasOptimizer(nets, moments)

    def steps(
        self,
        nets: KerasNets,
        parts: Parts,
        seeds: Tensor,
        objective: Objective,  # noqa: ARG002 - the loss is the one compiled
        optimizer: Any | None = None,  # noqa: ARG002 - and so is the optimizer
    ) -> KerasSteps:
        """The steps of this net on these data."""
        return KerasSteps(nets, parts, seeds)

    def _compiled(self, made: keras.Model, plan: NetPlan) -> keras.Model:
        """The model compiled; or one of the same layers that was traced before, with the values of this one."""
        if plan.arm.name != self._arm:
            self._arm, self._traced = plan.arm.name, {}
        choice, fingerprint = (plan.rate, plan.weight_decay), fingerprint_of(made)
        known, model, optimizer = self._traced.get(choice, ("", None, {}))
        if known == fingerprint:
            assign(model.weights, tensors_of(made.weights))
            assign(model.optimizer.variables, optimizer)
            return model
        compile_for_study(made, self.architecture.meaning, plan.arm, plan.weight_decay)
        # What runs eagerly is not traced, and may keep more than its variables.
        if keras.backend.backend() != "torch" and not made.run_eagerly:
            self._traced[choice] = fingerprint, made, tensors_of(made.optimizer.variables)
        return made
