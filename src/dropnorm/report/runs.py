"""Runs in short as rows of text."""

from collections.abc import Sequence
from pathlib import Path

from dropnorm.report.tables import NONE, Column, Table, duration
from dropnorm.study.records import Interval
from dropnorm.study.runs.listing import RunOverview
from dropnorm.study.task import judged_by


def runs_table(runs: Sequence[RunOverview]) -> Table:
    """List runs one a row: how far each is, what it studied, and what came out; scores are those on test rows."""
    rows = [_row(run) for run in runs if run.state != "unreadable"]
    headers = list(rows[0]) if rows else []
    left = ("run", "data", "state", "advised")
    columns = tuple(Column(header, "left" if header in left else "right") for header in headers)
    return Table(columns, tuple(tuple(row.values()) for row in rows), marked=None)


def _row(run: RunOverview) -> dict[str, str]:
    """Write one run's cells under their headers."""
    return {
        "run": Path(run.folder).resolve().name,
        "data": run.data or NONE,
        "state": _state(run),
        "arms": str(len(run.arms)) if run.arms else NONE,
        "nets": f"{run.nets:,}" if run.nets is not None else NONE,
        "plain": _score(run, run.plain),
        "advised": _advised(run),
        "begun": run.begun.astimezone().strftime("%Y-%m-%d %H:%M") if run.begun else NONE,
        "took": NONE if run.seconds is None else duration(run.seconds),
    }


def _advised(run: RunOverview) -> str:
    """Write the advised arm with its score; that of plain stands beside it already."""
    if run.advised is None or run.advised == "plain":
        return run.advised or NONE
    return f"{run.advised} {_score(run, run.advised_score)}"


def _state(run: RunOverview) -> str:
    """Write how far a run is; one that is whole by the share of its epochs may still lack its conclusions."""
    if run.state == "finished" or run.done is None:
        return run.state
    share = f"{min(99, int(100 * run.done))} %"
    return f"running, {share}" if run.state == "running" else share


def _score(run: RunOverview, interval: Interval | None) -> str:
    """Write a test score with its unit, or the name of what has none."""
    if interval is None or run.task is None:
        return NONE
    metric = judged_by(run.task, run.metric).metric
    written = metric.scale(interval.mean).write(interval.mean)
    return f"{written} {metric.unit}" if metric.unit else f"{metric.name} {written}"
