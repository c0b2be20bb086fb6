"""What is kept of a model beside its weights."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from dropnorm._record import Record
from dropnorm.study.data.encoding import Encoding
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.records import SCHEMA_VERSION, Arm
from dropnorm.study.training.kinds import AnyArchitecture


class Member(Record):
    """One net of a model, and the scale that its features and its target were learned on.

    Args:        net: its number in the study; seed: that of its split, weights and order; both None where an older dropnorm
                 wrote the model; mean, scale: of each feature; target_mean, target_scale: of a quantity, 0 and 1 of classes.
    """

    net: int | None = None
    seed: int | None = None
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    target_mean: float
    target_scale: float

    @property
    def standardization(self) -> Standardization:
        """What the net's features are standardized by."""
        return Standardization(np.array(self.mean), np.array(self.scale))


class ModelDescription(Record):
    """Everything about a saved model but its weights.

    Args:        arm: that of its nets, which all have the one rate and weight_decay; architecture: their shape; encoding: from
                 a table to features; members: the nets whose mean the model predicts; of_older_version: whether it is read
                 from the files of a dropnorm whose models were single nets, and so the weights are by other names.
    """

    schema_version: Literal[4] = SCHEMA_VERSION
    arm: Arm
    rate: float
    weight_decay: float = 0.0
    architecture: AnyArchitecture
    encoding: Encoding
    members: tuple[Member, ...]
    of_older_version: bool = Field(default=False, exclude=True)

    @property
    def standardizations(self) -> tuple[Standardization, ...]:
        """What each net's features are standardized by."""
        return tuple(member.standardization for member in self.members)

    @property
    def target_scales(self) -> tuple[Tensor, Tensor]:
        """Mean and scale of each net's target (nets,), in float64."""
        scales = [(member.target_mean, member.target_scale) for member in self.members]
        mean, scale = torch.tensor(scales, dtype=torch.float64).unbind(1)
        return mean, scale

    @model_validator(mode="after")
    def _check_members(self) -> "ModelDescription":
        """Refuse members that do not fit the features, which NumPy would broadcast."""
        if not self.members:
            raise ValueError("members is empty: expected at least one net")
        for place, member in enumerate(self.members):
            for name in ("mean", "scale"):
                if len(getattr(member, name)) != self.encoding.features:
                    raise ValueError(f"the {name} of members[{place}] is not of {self.encoding.features} features")
        return self
