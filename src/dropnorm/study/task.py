"""What kind of prediction a study is about, and the metric by which its nets are judged. Nothing here imports torch."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dropnorm._validate import choice
from dropnorm.errors import ArgumentError
from dropnorm.study.records import StudyConfig, Summary, TaskName
from dropnorm.study.settings import MetricName


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
    """What a net is judged by: a score from `lowest` to `highest`, in its notation.

    Args:        key: its name in options and files; name: in sentences; counted: whether it is a share of rows, which comes in
                 steps of 1 / rows; ranks: whether it judges an order of rows, which takes rows of two classes; gap_unit: the
                 unit of a difference of scores, in words.
    """

    key: MetricName
    name: str
    higher_is_better: bool = True
    lowest: float = 0.0
    highest: float = 1.0
    counted: bool = False
    ranks: bool = False
    gap_unit: str = ""

    @property
    def label(self) -> str:
        """The name with its unit."""
        return self.headed(self.name)

    @property
    def span(self) -> float:
        """How far two scores can be from each other."""
        return self.highest - self.lowest

    def gain(self, score: float, other: float) -> float:
        """By how much a score is better than another."""
        return score - other if self.higher_is_better else other - score

    def resolution(self, rows: int) -> float:
        """The step of the scores that so many rows can give; 0 if there is none."""
        return 1 / rows if self.counted else 0.0

    @property
    def behind(self) -> str:
        """What stands behind a score in a sentence: its unit, where it has one."""
        return f" {self.unit}" if self.unit else ""

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

    @property
    def on_both_parts(self) -> str:
        """A net's scores on the rows that it learned from and on others, with places for the two."""
        if self.metric == ACCURACY:
            return "it is right on {train} % of its training rows and on {test} % of new ones"
        name, unit = self.metric.name, self.metric.behind
        return f"its {name} is {{train}}{unit} on its training rows and {{test}}{unit} on new ones"

    @property
    def on_three_parts(self) -> str:
        """The scores of the plain net on training, validation and test rows, with places for the three."""
        name, unit = self.metric.name, self.metric.behind
        article = "an" if name[0] in "aeiouRF" else "a"
        return (
            f"the plain net has {article} {name} of {{train}}{unit} on its training rows, of {{validation}}{unit} on its "
            f"validation rows and of {{test}}{unit} on its test rows"
        )

    @property
    def gap(self) -> str:
        """What the generalization gap is, with its unit."""
        unit = f", in {self.metric.gap_unit}" if self.metric.gap_unit else ""
        return (
            f"How much better the networks' {self.metric.name} is on the rows they were trained on than on rows they have not "
            f"seen{unit}"
        )


_PERCENT = functools.partial(
    Metric,
    factor=100.0,
    decimals=1,
    unit="%",
    difference_unit="pp",
    difference_in_words=" points",
    gap_unit="percentage points (pp)",
)
_ERROR = functools.partial(
    Metric, higher_is_better=False, highest=math.inf, decimals=None, gap_unit="the target's own unit"
)
ACCURACY = _PERCENT(key="accuracy", name="accuracy", counted=True)
RMSE = _ERROR(key="rmse", name="RMSE")
METRICS: Mapping[TaskName, tuple[Metric, ...]] = {
    "classification": (
        ACCURACY,
        _PERCENT(key="balanced_accuracy", name="balanced accuracy"),
        Metric(key="f1", name="F1"),
        Metric(key="roc_auc", name="area under the ROC curve", ranks=True),
        Metric(key="average_precision", name="average precision", ranks=True),
        Metric(
            key="log_loss",
            name="log loss",
            higher_is_better=False,
            highest=math.inf,
            unit="nats",
            difference_unit="nats",
            difference_in_words=" nats",
            gap_unit="nats",
        ),
    ),
    "regression": (
        RMSE,
        _ERROR(key="mae", name="mean absolute error"),
        Metric(key="r2", name="R²", lowest=-math.inf),
    ),
}
"""What predictions of a task may be judged by; the first is what they are judged by where nothing else is asked for."""
TASKS: Mapping[TaskName, Task] = {
    "classification": Task(
        name="classification",
        loss="cross-entropy",
        loss_in_words="log loss",
        loss_unit="nats",
        constant="always saying the most frequent class",
        metric=ACCURACY,
    ),
    "regression": Task(
        name="regression",
        loss="mean squared error of the standardized target",
        loss_in_words="loss",
        loss_unit="",
        constant="always saying the mean",
        metric=RMSE,
    ),
}
"""Each task, judged by the first of its metrics."""


def judged_by(task: TaskName, metric: str | None) -> Task:
    """A task that is judged by a metric of its own, by its key; None is the first.

    Raises:      ArgumentError for a metric that the task does not have.
    """
    if metric is None:
        return TASKS[task]
    known = {str(one.key): one for one in METRICS[task]}
    return replace(TASKS[task], metric=known[choice(metric, "metric", known)])


def task_for(name: TaskName, config: StudyConfig) -> Task:
    """A task as a study's nets are trained for it and judged.

    Raises:      ArgumentError for a metric that the task does not have, and for weights of classes where there are none.
    """
    if config.class_weight is not None and name == "regression":
        raise ArgumentError(
            f"class_weight={config.class_weight!r} is given, and the target is a quantity: expected classes. Leave "
            f"class_weight out, or say task='classification'."
        )
    task = judged_by(name, config.metric)
    if config.class_weight is None:
        return task
    return replace(task, loss=f"class-weighted {task.loss}", loss_in_words=f"class-weighted {task.loss_in_words}")


def task_of(summary: Summary) -> Task:
    """The task of a finished study."""
    return task_for(summary.data.task, summary.config)
