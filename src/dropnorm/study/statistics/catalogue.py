"""The table of statistics: every number by which arms are told and compared, one entry each. Nothing here computes.

A new statistic is an entry here, and, unless it follows from what a net's record has, a field of that record and what measures
it. The summary, the comparisons, the tables of report and command line, and the export go through this table.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from dropnorm.study.records import MAIN_STATISTIC, NetRecord
from dropnorm.study.task import Notation, Task

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number of every finished net.

    Args:        name: in records and files; label: in tables, without its unit; value: from a net's record, None where a task
                 has no such number; notation: how it is written; part: the rows that it is measured on, the last of them where
                 there are two, None for no rows: it decides by which overlap of splits an interval is corrected; lowest,
                 highest: the bounds of what can be; higher_is_better: None where neither is; in_steps: whether it is a share of
                 test rows; in_words: what the verdict calls it, where it speaks of what arms change in it; compared: whether
                 arms are compared with plain in it; interaction: whether that of dropout and batch norm is told in it;
                 in_arm_table: whether the table of arms has it.
    """

    name: str
    label: str
    value: Callable[[NetRecord], float | None]
    notation: Notation
    part: Part | None = "test"
    lowest: float = -math.inf
    highest: float = math.inf
    higher_is_better: bool | None = None
    in_steps: bool = False
    in_words: str = ""
    compared: bool = False
    interaction: bool = False
    in_arm_table: bool = False

    @property
    def span(self) -> float:
        """How far two values can be from each other."""
        return self.highest - self.lowest

    def gain(self, value: float, other: float) -> float:
        """By how much a value is better than another; where neither is, by how much it is higher."""
        return other - value if self.higher_is_better is False else value - other


@functools.cache
def statistics_of(task: Task) -> Mapping[str, Statistic]:
    """The statistics of a task by name, in the order in which they are told."""
    return MappingProxyType({statistic.name: statistic for statistic in _entries(task)})


def _entries(task: Task) -> tuple[Statistic, ...]:
    metric = task.metric
    differences = replace(metric, unit=metric.difference_unit)  # values that are differences themselves
    loss = Notation(unit=task.loss_unit, difference_unit=task.loss_unit)
    score = functools.partial(
        Statistic,
        notation=metric,
        lowest=metric.lowest,
        highest=metric.highest,
        higher_is_better=metric.higher_is_better,
    )
    return (
        score(name="train_score", label=f"train {metric.name}", value=lambda net: net.train_score, part="train"),
        score(
            name="validation_score",
            label=f"validation {metric.name}",
            value=lambda net: net.validation_score,
            part="validation",
        ),
        score(
            name=MAIN_STATISTIC,
            label=f"test {metric.name}",
            value=lambda net: net.test_score,
            in_steps=metric.counted,
            compared=True,
            interaction=True,
            in_arm_table=True,
        ),
        Statistic(
            name="test_loss",
            label=f"test {task.loss_in_words}",
            value=lambda net: net.test_loss,
            notation=loss,
            lowest=0.0,
            higher_is_better=False,
            in_words=f"the {task.loss_in_words}",
            compared=True,
            interaction=True,
        ),
        Statistic(
            name="calibration_error",
            label="calibration error",
            value=lambda net: net.calibration_error,
            notation=Notation(factor=100.0, decimals=1, unit="pp", difference_unit="pp", difference_in_words=" points"),
            lowest=0.0,
            highest=1.0,
            higher_is_better=False,
            in_words="the calibration error",
            compared=True,
        ),
        Statistic(
            name="generalization_gap",
            label="generalization gap",
            value=lambda net: metric.gain(net.train_score, net.test_score),
            notation=differences,
            lowest=-metric.span,
            highest=metric.span,
            higher_is_better=False,
            in_steps=metric.counted,
            compared=True,
            in_arm_table=True,
        ),
        Statistic(
            name="test_r2",
            label="test R²",
            value=lambda net: net.test_r2,
            notation=Notation(),
            highest=1.0,
            higher_is_better=True,
            in_arm_table=True,
        ),
        Statistic(
            name="loss_gap",
            label=f"{task.loss_in_words}, test less train",
            value=lambda net: net.test_loss - net.train_loss,
            notation=loss,
            higher_is_better=False,
        ),
    )
