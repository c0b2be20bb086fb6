"""Two runs held against each other as rows of text; the first is called A, the second B."""

from typing import Any

from dropnorm.report.tables import NONE, Column, Numbers, Table, arm_settings, duration, probability, repetitions
from dropnorm.study.records import MAIN_STATISTIC, Arm, Interval, Run, Summary
from dropnorm.study.runs.comparing import PairOfArms, RunComparison

SHOWN = 8


def run_in_short(run: Run) -> str:
    """Tell a run in one line: of what, how large, what it advises."""
    summary = run.summary
    took = "" if run.timing is None else f", {duration(run.timing.seconds)}"
    return (
        f"{summary.data.name}, {repetitions(summary.config)}, {len(run.nets):,} nets{took}; "
        f"advises {summary.advice.arm}"
    )


def differences_table(comparison: RunComparison) -> Table:
    """List what the two runs were given differently, data before settings."""
    rows = tuple(
        (one.name.replace("_", " "), _value(one.first), _value(one.second))
        for one in (*comparison.data, *comparison.settings)
    )
    return Table((Column("what differs", "left"), Column("A"), Column("B")), rows, marked=None)


def pairs_table(comparison: RunComparison, first: Summary, second: Summary) -> Table:
    """List the arms of either run with their 95 % intervals, and where runs are paired, B's differences to A."""
    one, other = Numbers.of(first), Numbers.of(second)
    headers = ["arm", f"A: {one.header}", f"B: {other.header}"]
    tested = any(arm.comparisons for arm in comparison.arms)
    if tested:
        headers += [one.difference_header("B less A"), "p (Holm)"]
    rows = tuple(
        (_arm(arm), _score(arm.first, one), _score(arm.second, other), *(_tested(arm, one) if tested else ()))
        for arm in comparison.arms
    )
    columns = tuple(Column(header, "left" if header == "arm" else "right") for header in headers)
    return Table(columns, rows, marked=None)


def _arm(arm: PairOfArms) -> str:
    """Name an arm; where the two runs advise others, both of them."""
    names = [name for name in dict.fromkeys((arm.first_arm, arm.second_arm)) if name is not None]
    return " → ".join(names)


def _score(interval: Interval | None, numbers: Numbers) -> str:
    """Write an arm's test score."""
    return NONE if interval is None else numbers.interval(interval)


def _tested(arm: PairOfArms, numbers: Numbers) -> tuple[str, str]:
    """Write the difference in the score and its p value."""
    score = arm.comparison_in(MAIN_STATISTIC)
    if score is None:
        return NONE, NONE
    return numbers.interval(score.interval, signed=True), probability(score.p_holm)


def _value(value: Any) -> str:
    """Write one of the values that differ."""
    match value:
        case None | () | "":
            return NONE
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case Arm():
            return arm_settings(value)
        case list() | tuple() if len(value) > SHOWN:
            return f"{', '.join(map(str, value[:SHOWN]))} and {len(value) - SHOWN:,} more"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
