"""The shape of a study's nets, the same in every arm."""

from itertools import pairwise

from dropnorm.study.records import ActivationName, Record


class Architecture(Record):
    """A dense net: features, hidden layers, outputs."""

    features: int
    hidden: tuple[int, ...]
    outputs: int
    activation: ActivationName = "relu"

    @property
    def widths(self) -> tuple[int, ...]:
        """The units of every layer, features and outputs among them."""
        return (self.features, *self.hidden, self.outputs)

    @property
    def parameters(self) -> int:
        """How many weights and biases a plain net has."""
        return sum(inputs * outputs + outputs for inputs, outputs in pairwise(self.widths))
