"""A user's own Keras network as a study knows it. Nothing here imports Keras, so that a saved run can be read without it."""

from typing import Literal

import numpy as np

from dropnorm.study.keras.inputs import Layout, arranged
from dropnorm.study.modules.architecture import FactoryArchitecture

Meaning = Literal["probabilities", "logits", "probability", "logit", "quantity"]
"""What outputs are: of each class the probability or logit, of the second of two classes alone, or a quantity."""
LossName = Literal[
    "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy", "mean_squared_error"
]


class KerasArchitecture(FactoryArchitecture):
    """A keras.Model of a user's factory.

    Args:        input_shape: of a row, as the net takes it; layout: the order of an image in it; meaning: of the outputs; loss:
                 what the nets are trained on; compiled: whether they come with it and an optimizer; backend: Keras's, on which
                 they are trained.
    """

    input_shape: tuple[int, ...]
    layout: Layout
    meaning: Meaning
    loss: LossName
    compiled: bool
    backend: str

    @property
    def identity(self) -> dict[str, str]:
        """What decides the nets beside the configuration, by the words in which a change is told."""
        return super().identity | {"backend of Keras": self.backend}

    def inputs(self, features: np.ndarray) -> np.ndarray:
        """Rows (n, features) as the net takes them, (n, *input_shape)."""
        return arranged(features, self, self.input_shape, self.layout)
