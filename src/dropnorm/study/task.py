"""What kind of prediction a study is about, and the metric by which its nets are judged. Nothing here imports torch."""

import math
from dataclasses import dataclass

from dropnorm.study.records import TaskName


@dataclass(frozen=True)
class Scale:
    """How scores and their differences are written: times `factor`, to so many decimals."""

    factor: float
    decimals: int

    def write(self, value: float, *, signed: bool = False) -> str:
        """The value as text with a true minus; `signed` shows a plus too, and zero has no sign."""
        text = f"{self.factor * value:{'+' if signed else ''},.{self.decimals}f}"
        return text.lstrip("+-") if self.is_nothing(value) else text.replace("-", "\N{MINUS SIGN}")

    def is_nothing(self, value: float) -> bool:
        """Whether a value is written as zero, so that nothing is to be said of it."""
        return not f"{self.factor * value:.{self.decimals}f}".strip("+-0.,")


@dataclass(frozen=True, kw_only=True)
class Notation:
    """How values of one kind, and their differences, are written: times `factor`, in units.

    Args:        decimals: None for as many as give four digits of a typical value.
    """

    factor: float = 1.0
    decimals: int | None = 3
    unit: str = ""
    difference_unit: str = ""
    difference_in_words: str = ""

    def headed(self, label: str) -> str:
        """A label of values with their unit, for an axis or a column."""
        return f"{label}, {self.unit}" if self.unit else label

    def labelled(self, label: str) -> str:
        """A label of differences with their unit."""
        return f"{label}, {self.difference_unit}" if self.difference_unit else label

    def scale(self, typical: float) -> Scale:
        """How to write values and differences where `typical` is one of the values."""
        if self.decimals is not None:
            return Scale(self.factor, self.decimals)
        shown = abs(self.factor * typical)
        digits = 3 - math.floor(math.log10(shown)) if 0 < shown < math.inf else 3
        return Scale(self.factor, min(max(digits, 0), 12))


@dataclass(frozen=True, kw_only=True)
class Metric(Notation):
    """What a net is judged by: a score from 0 to `highest`, in its notation."""

    name: str
    higher_is_better: bool
    highest: float
    counted: bool  # whether it is a share of rows, which comes in steps of 1 / rows

    @property
    def label(self) -> str:
        """The name with its unit."""
        return self.headed(self.name)

    def gain(self, score: float, other: float) -> float:
        """By how much a score is better than another."""
        return score - other if self.higher_is_better else other - score

    def resolution(self, rows: int) -> float:
        """The step of the scores that so many rows can give; 0 if there is none."""
        return 1 / rows if self.counted else 0.0

    @property
    def best(self) -> float:
        """The score of a net that is never wrong."""
        return self.highest if self.higher_is_better else 0.0


@dataclass(frozen=True)
class Task:
    """A kind of prediction in words: what its nets are trained on, what they are judged by, how a score is told."""

    name: TaskName
    loss: str
    loss_in_words: str
    loss_unit: str
    constant: str
    metric: Metric
    on_both_parts: str
    on_three_parts: str
    on_test_rows: str
    gap: str


ACCURACY = Metric(
    name="accuracy",
    higher_is_better=True,
    highest=1.0,
    factor=100.0,
    decimals=1,
    unit="%",
    difference_unit="pp",
    difference_in_words=" points",
    counted=True,
)
RMSE = Metric(
    name="RMSE",
    higher_is_better=False,
    highest=math.inf,
    factor=1.0,
    decimals=None,
    unit="",
    difference_unit="",
    difference_in_words="",
    counted=False,
)
TASKS: dict[TaskName, Task] = {
    "classification": Task(
        name="classification",
        loss="cross-entropy",
        loss_in_words="log loss",
        loss_unit="nats",
        constant="always saying the most frequent class",
        metric=ACCURACY,
        on_both_parts="it is right on {train} % of its training rows and on {test} % of new ones",
        on_three_parts="the plain net is right on {train} % of its training rows, on {validation} % of its validation rows and "
        "on {test} % of its test rows",
        on_test_rows="is right on {test} % of its test rows",
        gap="How much more accurate the networks are on the rows they were trained on than on rows they have not seen, in "
        "percentage points (pp)",
    ),
    "regression": Task(
        name="regression",
        loss="mean squared error of the standardized target",
        loss_in_words="loss",
        loss_unit="",
        constant="always saying the mean",
        metric=RMSE,
        on_both_parts="its RMSE is {train} on its training rows and {test} on new ones",
        on_three_parts="the plain net has an RMSE of {train} on its training rows, of {validation} on its validation rows and "
        "of {test} on its test rows",
        on_test_rows="has an RMSE of {test} on its test rows",
        gap="How much larger the networks' RMSE is on rows they have not seen than on the rows they were trained on, in the "
        "target's own unit",
    ),
}
