"""What every arm changes in each measure, as rows of text, and how much choosing on validation flatters."""

from dataclasses import dataclass

from dropnorm.report.tables import LOSS_SCALE, NONE, Column, Numbers, Table, probability
from dropnorm.study.records import ArmResult, Comparison, Interval, MeasureName, Power, Summary
from dropnorm.study.task import TASKS, Scale


@dataclass(frozen=True)
class Measure:
    """What a measure is called, with the unit of its differences, and how these are written."""

    label: str
    scale: Scale

    def interval(self, interval: Interval) -> str:
        """A difference and its interval: −0.3 (−1.2 to +0.5)."""
        mean, low, high = (self.scale.write(v, signed=True) for v in (interval.mean, interval.low, interval.high))
        return f"{mean} ({low} to {high})"


def measures(summary: Summary) -> dict[MeasureName, Measure]:
    """The measures of a study by name: those of its task."""
    task, numbers = TASKS[summary.data.task], Numbers.of(summary)
    nats = ", nats" if summary.data.quantity is None else ""
    return {
        "score": Measure(task.metric.labelled(f"test {task.metric.name}"), numbers.scale),
        "loss": Measure(f"test {task.loss_in_words}{nats}", LOSS_SCALE),
        "calibration_error": Measure("calibration error, pp", Scale(factor=100.0, decimals=1)),
        "generalization_gap": Measure(task.metric.labelled("generalization gap"), numbers.scale),
    }


def effect_table(summary: Summary) -> Table:
    """List every comparison with plain: the difference with its interval, the bootstrap's beside, and what it would take.

    Args:
        summary: a finished study. The last column is how many seeds, or splits, would show a difference as large as the
            one found, with 80 % power.
    """
    known = measures(summary)
    rows = tuple(
        (arm.arm, *_row(known[one.measure], one, _mean(summary.arms[0], one.measure), _mean(arm, one.measure)))
        for arm in summary.arms
        for one in arm.comparisons
    )
    unit = unit_of_evidence(summary)
    headers = (
        "arm",
        "measure",
        "plain → arm",
        "difference to plain",
        "bootstrap",
        "p (Holm)",
        f"{unit} to see it",
    )
    columns = tuple(Column(header, "left" if index < 2 else "right") for index, header in enumerate(headers))
    return Table(columns, rows, marked=None)


def unit_of_evidence(summary: Summary) -> str:
    """What an interval counts: splits where each has several seeds, else seeds."""
    config = summary.config
    return "splits" if config.split_count > 1 and config.repetitions > config.split_count else "seeds"


def optimism_sentences(summary: Summary) -> tuple[str, ...]:
    """Say of each arm with a choice by how much better its choice looks on validation than it is on test rows."""
    numbers = Numbers.of(summary)
    unit = numbers.metric.difference_in_words
    sentences = []
    for arm in summary.arms:
        if arm.selection is None:
            continue
        chosen, fixed = (
            numbers.scale.write(one.mean, signed=True) for one in (arm.selection.chosen, arm.selection.fixed)
        )
        optimism = numbers.interval(arm.selection.optimism, signed=True)
        sentences.append(
            f"{arm.arm}: chosen nets are {chosen}{unit} better on validation than on test rows, nets of a fixed setting "
            f"{fixed}; the choice accounts for {optimism}."
        )
    return tuple(sentences)


def _mean(arm: ArmResult, measure: MeasureName) -> float:
    """Pick an arm's mean of a measure."""
    intervals = {
        "score": arm.test_score,
        "loss": arm.test_loss,
        "calibration_error": arm.calibration_error,
        "generalization_gap": arm.generalization_gap,
    }
    found = intervals[measure]
    assert found is not None, "compared, and so measured"
    return found.mean


def _row(measure: Measure, comparison: Comparison, plain: float, arm: float) -> tuple[str, ...]:
    """Write one comparison's cells."""
    low, high = (measure.scale.write(v, signed=True) for v in (comparison.bootstrap.low, comparison.bootstrap.high))
    return (
        measure.label,
        f"{measure.scale.write(plain)} → {measure.scale.write(arm)}",
        measure.interval(comparison.interval),
        f"{low} to {high}",
        probability(comparison.p_holm),
        _needed(comparison.power),
    )


def _needed(power: Power) -> str:
    """Write how many it would take; where no number would do, how many times the rows."""
    if power.needed is not None:
        return f"{power.needed:,}"
    if power.rows_factor is None:
        return NONE
    if power.rows_factor >= 1000:
        return f"{NONE} (> 1,000 × rows)"
    return f"{NONE} ({power.rows_factor:.{1 if power.rows_factor < 10 else 0}f} × rows)"
