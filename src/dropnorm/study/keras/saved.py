"""A Keras net outside of its study."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from torch import Tensor

from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.keras.arms import rebuilt
from dropnorm.study.keras.nets import outputs_of
from dropnorm.study.keras.outputs import make_loss
from dropnorm.study.keras.variables import assign, tensors_of
from dropnorm.study.records import Arm, TaskName
from dropnorm.surgery.mc_predict import MonteCarlo, mc_predict


class SavedKerasNets:
    """What is done with the saved models of a factory; each is that of the factory, with its arm's layers in it."""

    def __init__(self, architecture: KerasArchitecture) -> None:
        self.architecture = architecture

    def build(self, arm: Arm, rate: float) -> keras.Model:
        """A net of an arm, whose weights are still to come; compiled with the loss it was trained on, if not by its factory."""
        net = rebuilt(self.architecture, arm, rate)
        if not net.compiled:
            net.compile(loss=make_loss(self.architecture.loss, self.architecture.meaning))
        return net

    def tensors(self, net: keras.Model) -> dict[str, Tensor]:
        """All its weights by name."""
        return tensors_of(net.weights)

    def load(self, net: keras.Model, tensors: Mapping[str, Tensor]) -> None:
        """Write them back."""
        assign(net.weights, tensors)

    load_trained = load

    def outputs(self, net: keras.Model, features: Tensor) -> Tensor:
        """Logits, or a quantity, of standardized features."""
        return outputs_of(net, self.architecture, features.numpy())

    def drops(self, net: keras.Model) -> bool:
        """Whether it has a dropout whose masks could be sampled."""
        return any(isinstance(layer, keras.layers.Dropout) for layer in net._flatten_layers())

    def sampled(self, net: keras.Model, features: Tensor, samples: int, task: TaskName, key: int) -> MonteCarlo[Any]:
        """What so many passes with dropout on say, of one output for two classes as of two."""
        meaning = self.architecture.meaning
        inputs, from_logits = self.architecture.inputs(features.numpy()), meaning in ("logits", "logit")
        told = mc_predict(net, inputs, samples, task=task, key=key, from_logits=from_logits)
        if meaning not in ("probability", "logit"):
            return told
        assert told.predictive_entropy is not None
        assert told.mutual_information is not None
        return MonteCarlo(
            mean=np.concatenate([1.0 - told.mean, told.mean], axis=1),
            variance=np.repeat(told.variance, 2, axis=1),
            low=np.concatenate([1.0 - told.high, told.low], axis=1),
            high=np.concatenate([1.0 - told.low, told.high], axis=1),
            predictive_entropy=told.predictive_entropy[:, 0],
            mutual_information=told.mutual_information[:, 0],
        )
