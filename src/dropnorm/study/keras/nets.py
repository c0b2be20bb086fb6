"""A user's own Keras network in training, as a batch of one."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NetPlan
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.keras.outputs import as_logits, targets_for
from dropnorm.study.keras.seeding import restarted, seed_layers, seed_states, seeded
from dropnorm.study.keras.variables import assign, tensors_of
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.modules.own_traceback import failure

_ROWS_AT_ONCE = 4096


class KerasNets:
    """One net, or none, whose tensors have a leading dimension for the net.

    State:       that of one model, which all nets made of each other share: the latest is what is in it. device: of the tensors
                 that are given out; Keras computes where its backend does.
    """

    def __init__(
        self,
        plans: Sequence[NetPlan],
        architecture: KerasArchitecture,
        model: keras.Model,
        device: torch.device | str = "cpu",
        tensors: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.plans, self.architecture, self.model, self.device = plans, architecture, model, device
        if tensors is not None and plans:
            assign(model.weights, {name: tensor[0] for name, tensor in tensors.items()})
        self._none = tensors if tensors is not None and not plans else {}

    def of(self, plans: Sequence[NetPlan], tensors: dict[str, Tensor]) -> "KerasNets":
        """The net with these tensors."""
        return KerasNets(plans, self.architecture, self.model, self.device, tensors)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the net, as it is now."""
        if not self.plans:
            return dict(self._none)
        return self.stacked(self.model.weights)

    def stacked(self, variables: Sequence[Any]) -> dict[str, Tensor]:
        """Variables of the net's, with a leading dimension for the net."""
        return {name: tensor[None].to(self.device) for name, tensor in tensors_of(variables).items()}


class KerasOptimizer:
    """The optimizer that a model is compiled with."""

    def __init__(self, nets: KerasNets, moments: Mapping[str, Mapping[str, Tensor]] | None) -> None:
        self.nets, self._none = nets, {} if moments is None else moments
        if moments is not None and nets.plans:
            assign(nets.model.optimizer.variables, {name: each[0] for name, each in moments["optimizer"].items()})

    @property
    def moments(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Its variables, with a leading dimension for the net."""
        if not self.nets.plans:
            return self._none
        return {"optimizer": self.nets.stacked(self.nets.model.optimizer.variables)}

    def slow_down(self, nets: Tensor, share: float) -> None:
        """Let the net, if the truth value (1,) says so, learn at a share of its rate; a schedule of its own stays as it is."""
        optimizer = self.nets.model.optimizer
        if bool(nets.any()) and has_plain_rate(optimizer):
            optimizer.learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate)) * share


class KerasSteps:
    """Epochs by `fit`, on rows in the study's own order."""

    def __init__(self, nets: KerasNets, parts: Parts, seeds: Tensor) -> None:
        self.nets, self.parts, self.seeds = nets, parts, seeds
        self.architecture, self.states = nets.architecture, seed_states(nets.model)

    def train(self, order: Tensor, keys: Tensor) -> None:
        """A step on each batch; the masks of all of them are those of the first one's key."""
        steps, model, architecture = keys.shape[1], self.nets.model, self.architecture
        x, y = self.parts.take(self.seeds, order)
        inputs = architecture.inputs(x[0].cpu().numpy())
        targets = targets_for(architecture.loss, y[0].cpu().numpy(), architecture.outputs)
        key, batch = int(keys[0, 0]), len(inputs) // steps
        weights = self.parts.take_weights(self.seeds, y)
        sample_weight = None if weights is None else weights[0].cpu().numpy()
        with seeded(key):
            seed_layers(self.states, keys[0, 0])
            try:
                model.fit(
                    inputs,
                    targets,
                    sample_weight=sample_weight,
                    batch_size=batch,
                    epochs=1,
                    shuffle=False,
                    verbose=0,
                    callbacks=[restarted(key)],
                )
            except Exception as error:
                raise failure(
                    f"net={architecture.factory!r} makes a net that fails in fit",
                    error,
                    find_factory(architecture.factory),
                ) from error

    def outputs(self, rows: Tensor) -> Tensor:
        """Of all rows at once."""
        x = self.parts.features.take(self.seeds, rows)
        return outputs_of(self.nets.model, self.architecture, x[0].cpu().numpy()).to(rows.device)[None]


def has_plain_rate(optimizer: Any) -> bool:
    """Whether the learning rate is a number, and no schedule of the optimizer's own."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    return not isinstance(inner._learning_rate, keras.optimizers.schedules.LearningRateSchedule)


def outputs_of(model: Any, architecture: KerasArchitecture, features: np.ndarray) -> Tensor:
    """Outputs (n, classes) as logits, or (n, 1) of a quantity, of standardized features (n, features) in inference mode."""
    if not len(features):
        return torch.empty(0, architecture.outputs)
    inputs = architecture.inputs(features)
    chunks = [
        _predicted(model, inputs[start : start + _ROWS_AT_ONCE]) for start in range(0, len(inputs), _ROWS_AT_ONCE)
    ]
    return as_logits(np.concatenate(chunks), architecture.meaning)


def _predicted(model: Any, inputs: np.ndarray) -> np.ndarray:
    """What the model gives; the rows are filled up to a power of two, as a new number of rows is compiled anew."""
    rows = len(inputs)
    if keras.backend.backend() != "torch":
        inputs = np.resize(inputs, (1 << (rows - 1).bit_length(), *inputs.shape[1:]))
    outputs: np.ndarray = np.asarray(model.predict_on_batch(inputs))
    return outputs[:rows]
