"""What is kept of a model beside its weights."""

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from dropnorm._record import Record
from dropnorm.study.data.encoding import Encoding
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.records import SCHEMA_VERSION, Arm, Interval
from dropnorm.study.settings import MetricName
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


class ExpectedScore(Record):
    """What a study found its model to come to on rows that its nets did not see.

    Args:        score: in the study's metric, with the interval for all rows of their kind; rows: on how many it was found.
    """

    metric: MetricName
    score: Interval
    rows: int


class ModelDescription(Record):
    """Everything about a saved model but its weights.

    Args:        arm: that of its nets, which all have the one rate and weight_decay; architecture: their shape; encoding: from
                 a table to features; members: the nets whose mean the model predicts; of_older_version: whether it is read
                 from the files of a dropnorm whose models were single nets, and so the weights are by other names; ranges: of
                 the numbers and dates that were learned from, by column; expected: what the study found of the model; group:
                 the column that kept rows together.
    """

    schema_version: Literal[4] = SCHEMA_VERSION
    arm: Arm
    rate: float
    weight_decay: float = 0.0
    architecture: AnyArchitecture
    encoding: Encoding
    members: tuple[Member, ...]
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    expected: ExpectedScore | None = None
    group: str | None = None
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
    def _check(self) -> "ModelDescription":
        """Refuse fields that do not fit each other, which NumPy would broadcast, and numbers that no net learns from."""
        self._check_encoding()
        self._check_architecture()
        self._check_members()
        return self

    def _check_encoding(self) -> None:
        names, classes = [column.name for column in self.encoding.columns], self.encoding.classes
        _expect(bool(names), "encoding.columns is empty: expected at least one column")
        _expect(len(set(names)) == len(names), "encoding.columns has a name twice: expected each once")
        _expect(
            all(size >= 1 for column in self.encoding.columns for size in column.shape),
            "encoding.columns has a shape with a size below 1: expected at least 1",
        )
        if self.encoding.task == "classification":
            _expect(len(classes) >= 2, f"encoding.classes has {len(classes)} names: expected at least 2")
            _expect(len(set(classes)) == len(classes), "encoding.classes has a name twice: expected each once")
        else:
            _expect(not classes, f"encoding.classes has {len(classes)} names: expected none of a quantity")

    def _check_architecture(self) -> None:
        net = self.architecture
        for name in ("features", "outputs"):
            own, expected = getattr(net, name), getattr(self.encoding, name)
            _expect(own == expected, f"architecture.{name} is {own}: expected the {expected} of encoding")
        sizes = net.image or ()
        _expect(
            not sizes or math.prod(sizes) == net.features,
            f"architecture.image is {sizes}: expected {net.features} numbers",
        )
        for name in ("hidden", "channels"):
            _expect(
                all(size >= 1 for size in getattr(net, name, ())),
                f"architecture.{name} has a size below 1: expected at least 1",
            )
        _expect(0.0 <= self.rate < 1.0, f"rate is {self.rate}: expected 0 <= rate < 1")

    def _check_members(self) -> None:
        _expect(bool(self.members), "members is empty: expected at least one net")
        for place, member in enumerate(self.members):
            for name in ("mean", "scale"):
                _expect(
                    len(getattr(member, name)) == self.encoding.features,
                    f"the {name} of members[{place}] is not of {self.encoding.features} features",
                )
            finite = all(map(math.isfinite, (*member.mean, member.target_mean)))
            _expect(finite, f"a mean of members[{place}] is not finite: expected numbers")
            # A feature that never varied has an infinite scale, and counts as nothing.
            _expect(
                all(scale > 0.0 for scale in member.scale), f"a scale of members[{place}] is not above 0: expected > 0"
            )
            target_scale = member.target_scale
            _expect(0.0 < target_scale < math.inf, f"target_scale of members[{place}] is {target_scale}: expected > 0")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
