"""Changes of a model, as data: by the paths that modules have in the model given."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["norm", "dropout"]


@dataclass(frozen=True)
class NewLayer:
    """A batch norm of so many channels, or a dropout of this rate: a class of `dropnorm.nn` or `.keras` and its argument."""

    name: str
    argument: int | float

    @property
    def role(self) -> Role:
        """What it is for."""
        return "norm" if self.name.startswith("BatchNorm") else "dropout"


@dataclass(frozen=True)
class Insert:
    """A new layer before or after the module at `path`: beside it in its Sequential if `flat`, otherwise around it.

    In a Keras model it always goes behind, at one call of the layer; a batch norm before the activation that the layer has.
    """

    path: str
    after: bool
    flat: bool
    layer: NewLayer
    like: str = ""  # the layer whose device, type and order of dimensions the new one has
    takes_bias: bool = False  # of that layer
    call: int = 0


@dataclass(frozen=True)
class SetRate:
    """Another rate for the dropout at `path`."""

    path: str
    rate: float


@dataclass(frozen=True)
class Remove:
    """The module at `path` taken out of its Sequential if `flat`, otherwise replaced by what is left of it, or an Identity.

    Of a fused module its activation is left, and its dropout if that is kept.
    """

    path: str
    flat: bool
    keep_dropout: bool = False


@dataclass(frozen=True)
class ReturnBias:
    """The bias of the batch norm at `norm` given to the layer before it, which has none."""

    path: str
    norm: str


Edit = Insert | SetRate | Remove | ReturnBias
