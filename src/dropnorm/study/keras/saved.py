"""Keras nets outside of their study."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import keras
import numpy as np
import torch
from torch import Tensor

from dropnorm.study.data.standardization import Standardization
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.keras.arms import model_of_arm, rebuilt
from dropnorm.study.keras.nets import outputs_of
from dropnorm.study.keras.outputs import make_loss
from dropnorm.study.keras.variables import assign
from dropnorm.study.records import Arm, TaskName
from dropnorm.surgery.mc_predict import Sampling, sample_passes
from dropnorm.surgery.outcomes import Outcomes


class SavedKerasNets:
    """Models of one factory, with an arm's layers in them; what the factory does not compile has the loss it was trained on."""

    def __init__(self, architecture: KerasArchitecture, arm: Arm, rate: float, tensors: Mapping[str, Tensor]) -> None:
        self.architecture, self.arm, self.rate, self.tensors = architecture, arm, rate, tensors
        # What JAX and TensorFlow trace for one model serves all nets, whose weights are written into it in turn.
        self._model = self._filled(rebuilt(architecture, arm, rate), 0)

    @cached_property
    def nets(self) -> tuple[keras.Model, ...]:
        """Each net as a model of its own."""
        count = len(next(iter(self.tensors.values())))
        made = (model_of_arm(self.architecture, self.arm, self.rate, 0) for _ in range(count))
        return tuple(self._filled(model, place) for place, model in enumerate(made))

    @property
    def drops(self) -> bool:
        """Whether the models have a dropout whose masks could be sampled."""
        return any(isinstance(layer, keras.layers.Dropout) for layer in self._model._flatten_layers())

    def outputs(self, features: np.ndarray, standardizations: Sequence[Standardization]) -> Tensor:
        """Logits (nets, rows, classes), or quantities (nets, rows, 1), of features (rows, features)."""
        return torch.stack(
            [
                outputs_of(self._filled(self._model, place), self.architecture, standardization.apply(features))
                for place, standardization in enumerate(standardizations)
            ]
        )

    def sampling(self, place: int, features: np.ndarray, task: TaskName, key: int) -> Sampling:
        """The passes with dropout on of one model over standardized features; of one output for two classes as of two."""
        meaning = self.architecture.meaning
        inputs, from_logits = self.architecture.inputs(features), meaning in ("logits", "logit")
        sampling = sample_passes(self.nets[place], inputs, task=task, key=key, from_logits=from_logits)
        if meaning not in ("probability", "logit"):
            return sampling
        of_second = sampling.outcomes.values
        return replace(sampling, outcomes=Outcomes(lambda outputs: _of_both_classes(of_second(outputs))))

    def _filled(self, model: keras.Model, place: int) -> keras.Model:
        """A model with the weights of the net at this place."""
        assign(model.weights, {name: tensor[place] for name, tensor in self.tensors.items()})
        if not model.compiled:
            model.compile(loss=make_loss(self.architecture.loss, self.architecture.meaning))
        return model


def _of_both_classes(probabilities: Tensor) -> Tensor:
    """Probabilities (*, 1) of the second of two classes as those of both (*, 2)."""
    return torch.cat([1.0 - probabilities, probabilities], dim=-1)
