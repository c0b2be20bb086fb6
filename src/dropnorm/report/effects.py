"""What every arm changes in each statistic, as rows of text, and how much choosing on validation flatters."""

from dropnorm.report.tables import NONE, Column, Numbers, Table, probability
from dropnorm.study.records import ArmResult, Comparison, Power, Summary
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.task import task_of


def effect_table(summary: Summary) -> Table:
    """List every comparison with plain: the difference with its interval, the bootstrap's beside, and what it would take.

    Args:
        summary: a finished study. The last column is how many seeds, or splits, would show a difference as large as the
            one found, with 80 % power.
    """
    plain = summary.arms[0]
    rows = tuple(
        (arm.arm, *_row(Numbers.of(summary, name), one, plain, arm))
        for arm in summary.arms
        for name in statistics_of(task_of(summary))
        if (one := arm.comparison_in(name)) is not None
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


def optimism_table(summary: Summary) -> Table:
    """List by how much better scores are on validation than on test rows, of each arm with a choice, and what is due to it."""
    numbers = Numbers.of(summary)
    headers = ("arm", *map(numbers.difference_header, ("chosen nets", "nets of a fixed setting", "due to the choice")))
    rows = tuple(
        (arm.arm, *(numbers.interval(one, signed=True) for one in (found.chosen, found.fixed, found.optimism)))
        for arm in summary.arms
        if (found := arm.selection) is not None
    )
    columns = tuple(Column(header, "right" if index else "left") for index, header in enumerate(headers))
    return Table(columns, rows, marked=None)


def _row(numbers: Numbers, comparison: Comparison, plain: ArmResult, arm: ArmResult) -> tuple[str, ...]:
    """Write one comparison's cells."""
    low, high = (numbers.scale.write(v, signed=True) for v in (comparison.bootstrap.low, comparison.bootstrap.high))
    return (
        numbers.difference_header(numbers.statistic.label),
        f"{_mean(numbers, plain)} → {_mean(numbers, arm)}",
        numbers.interval(comparison.interval, signed=True),
        f"{low} to {high}",
        probability(comparison.p_holm),
        _needed(comparison.power),
    )


def _mean(numbers: Numbers, arm: ArmResult) -> str:
    """Write an arm's mean."""
    found = arm.statistics.get(numbers.statistic.name)
    return NONE if found is None else numbers.scale.write(found.mean)


def _needed(power: Power) -> str:
    """Write how many it would take; where no number would do, how many times the rows."""
    if power.needed is not None:
        return f"{power.needed:,}"
    if power.rows_factor is None:
        return NONE
    if power.rows_factor >= 1000:
        return f"{NONE} (> 1,000 × rows)"
    return f"{NONE} ({power.rows_factor:.{1 if power.rows_factor < 10 else 0}f} × rows)"
